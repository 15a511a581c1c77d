"""Signs of life of a reconcile: whoever waits for others is not stuck for as long as they answer.

What goes on in a reconcile says so here, wherever it is; the queue hears it for the run that it is
in, and liveness is judged by that (`checks`).
"""

from collections.abc import Callable
from contextvars import ContextVar


def _unheard() -> None:
    """Outside of a run there is nobody to tell."""


_hear: ContextVar[Callable[[], None]] = ContextVar("hear", default=_unheard)


def is_heard_by(hear: Callable[[], None]) -> None:
    """Have `hear` called for whatever goes on in the current task, and in those that it starts."""
    _hear.set(hear)


def made() -> None:
    """A request was answered, or its time was up: what waited for it goes on."""
    _hear.get()()
