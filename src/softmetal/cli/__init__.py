"""The command line. Each command is a file; the logic is in other packages."""
