"""Directories of the host for machines, by the 9P protocol."""

from softmetal.host.shares.server import Share, ShareError, open_share

__all__ = ["Share", "ShareError", "open_share"]
