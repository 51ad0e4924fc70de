"""Bootable disk images of guest systems, made of their own packages."""
