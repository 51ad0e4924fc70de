"""What is wrong with a lab, in one line."""

from __future__ import annotations


class LabError(Exception):
    """One line for the user: what, where, what to do."""
