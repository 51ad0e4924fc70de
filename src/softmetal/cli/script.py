"""A script that talks to a guest's console: what to wait for, what to type.

expect REGEX        wait until the console shows it
expect[30] REGEX    for at most 30 seconds of machine time (300 if nothing is said)
send TEXT           type TEXT and Return;  \\n \\t \\x03 and the like may stand in it
type TEXT           type TEXT without Return
quit [CODE]         end the run here, with this exit code (0 if nothing is said)
# ...               a comment
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


class ScriptError(ValueError):
    """A line that is no step of a script."""


@dataclass(frozen=True)
class Step:
    """A step: `verb` is expect, send, type or quit."""

    line: int
    verb: str
    text: str
    seconds: float = 300
    code: int = 0


def parse(path: str) -> list[Step]:
    """The steps of a script. Raises ScriptError with file and line."""
    steps = []
    try:
        lines = Path(path).read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ScriptError(f"script {path}: {getattr(error, 'strerror', None) or 'not a text'}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = re.fullmatch(r"\s*(expect|send|type|quit)(?:\[([0-9]+(?:\.[0-9]*)?)\])?(?:\s(.*))?", line)
        if not found or (found[2] and found[1] != "expect"):
            lines_are = "a line is `expect REGEX`, `send TEXT`, `type TEXT` or `quit CODE`"
            raise ScriptError(f"{path}:{number}: {line.strip()!r}: {lines_are}")
        text = found[3] or ""
        if found[1] == "quit":
            if not re.fullmatch(r"\s*([0-9]{1,3})?\s*", text) or int(text or 0) > 255:
                raise ScriptError(f"{path}:{number}: quit {text.strip()}: an exit code is a number from 0 to 255")
            steps.append(Step(number, "quit", "", code=int(text or 0)))
            continue
        if found[1] == "expect":
            try:
                re.compile(text)
            except re.error as error:
                raise ScriptError(f"{path}:{number}: {text!r} is not a regular expression: {error}") from None
        else:
            try:
                text = text.encode("latin-1", "backslashreplace").decode("unicode_escape") + "\n" * (found[1] == "send")
            except UnicodeDecodeError as error:
                raise ScriptError(f"{path}:{number}: {text!r}: {error.reason}; a backslash itself is \\\\") from None
        steps.append(Step(number, found[1], text, float(found[2] or 300)))
    return steps
