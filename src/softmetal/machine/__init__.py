"""Boards with software in them."""
