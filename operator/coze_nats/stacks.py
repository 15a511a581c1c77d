"""Where something is at: the lines of code of a task or a thread, without any values.

Values would be of use, and some are secrets.
"""

import asyncio
from types import FrameType
from typing import Any


def of_task(task: asyncio.Task[Any]) -> str:
    """The lines at which a suspended task waits, from the outermost to the innermost."""
    lines = []
    waiting: Any = task.get_coro()
    while waiting is not None:
        frame = _first(waiting, "cr_frame", "gi_frame", "ag_frame")
        if frame is None:
            break
        lines.append(_line(frame))
        waiting = _first(waiting, "cr_await", "gi_yieldfrom", "ag_await")
    return "\n".join(lines) or "  (it is not suspended)"


def of_frame(frame: FrameType | None) -> str:
    """The lines at which a thread is, from the outermost to the innermost."""
    lines = []
    while frame is not None:
        lines.append(_line(frame))
        frame = frame.f_back
    return "\n".join(reversed(lines))


def _first(waiting: Any, *attributes: str) -> Any:
    found = (getattr(waiting, name, None) for name in attributes)
    return next((each for each in found if each is not None), None)


def _line(frame: FrameType) -> str:
    return f"  {frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_qualname}"
