"""What is shown while something is compiled: on a terminal a line with the seconds, from the second one on."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator

DELAY = 1.0
"""Seconds for which nothing is shown: most is done by then."""


@contextlib.contextmanager
def shown(what: str) -> Iterator[None]:
    """Show that `what` takes its time, where stderr is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    live = Progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=Console(stderr=True))
    live.add_task(what, total=None)
    timer = threading.Timer(DELAY, live.start)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        live.stop()
