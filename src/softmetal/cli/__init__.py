"""The command line: a face. Each command is a file; none holds logic."""
