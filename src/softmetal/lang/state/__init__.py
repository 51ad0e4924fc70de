"""A board's state as a thing to keep: snapshots, copy-on-write forks, hashes, files."""

from softmetal.lang.state.file import Saved, load, save
from softmetal.lang.state.snapshot import Snapshot, StateError, check, fork, restore, snapshot, state_hash

__all__ = ["Saved", "Snapshot", "StateError", "check", "fork", "load", "restore", "save", "snapshot", "state_hash"]
