"""Guests that other programs run: QEMU, user-mode Linux. Their hardware is the host layer's, over vhost-user and sockets."""
