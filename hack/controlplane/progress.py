"""Tells a person who waits what is going on, and for how long already. Runs and decides nothing."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

# A terminal's line is rewritten in place; a log gets a new line, so more rarely.
TERMINAL_SECONDS = 1.0
LOG_SECONDS = 15.0


def no_detail() -> str:
    return ""


def duration(seconds: float) -> str:
    """`7 s`, `3 min 07 s`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


@contextmanager
def waiting(
    what: str, detail: Callable[[], str] = no_detail, stream: TextIO | None = None
) -> Iterator[None]:
    """Announce `what`, repeat it with the time it has taken so far, and say how it ended.

    `detail` is asked on each repetition for a few words more, such as a count.
    """
    output = stream or sys.stderr
    terminal = output.isatty()
    start = time.monotonic()
    finished = threading.Event()

    def show(state: str) -> None:
        words = ", ".join(part for part in (state, detail()) if part)
        line = f"{what}: {words}"
        print(f"\r\033[K{line}" if terminal else line, end="" if terminal else "\n", file=output)
        output.flush()

    def repeat() -> None:
        while not finished.wait(TERMINAL_SECONDS if terminal else LOG_SECONDS):
            show(f"{duration(time.monotonic() - start)} so far")

    print(f"{what} ...", end="" if terminal else "\n", file=output, flush=True)
    ticker = threading.Thread(target=repeat, name="progress", daemon=True)
    ticker.start()
    outcome = "stopped"
    try:
        yield
        outcome = "done"
    except Exception:
        outcome = "failed"
        raise
    finally:
        finished.set()
        ticker.join()
        show(f"{outcome} after {duration(time.monotonic() - start)}")
        if terminal:
            print(file=output, flush=True)
