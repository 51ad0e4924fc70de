"""Labs: many machines on one set of hardware, of any mix of engines, described in one file."""

from softmetal.lab.errors import LabError

__all__ = ["LabError"]
