"""Back ends of virtio devices for guests that run elsewhere: QEMU, user-mode Linux. They reach us by the vhost-user protocol."""
