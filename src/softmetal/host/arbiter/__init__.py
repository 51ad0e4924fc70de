"""Who may use a piece of hardware, and when: all guests at once (`Shared`), or one holder at a time (`Exclusive`)."""

from softmetal.host.arbiter.access import Access, Account
from softmetal.host.arbiter.exclusive import End, Exclusive, Party, Terms
from softmetal.host.arbiter.frames import FrameRule, Frames
from softmetal.host.arbiter.shared import Share, Shared

__all__ = ["Access", "Account", "End", "Exclusive", "FrameRule", "Frames", "Party", "Share", "Shared", "Terms"]
