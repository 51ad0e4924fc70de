"""The real hardware and its sharing: disks, directories. Knows nothing of guests or machines."""
