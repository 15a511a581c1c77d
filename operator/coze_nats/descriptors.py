"""File descriptors: as many as the system allows, and a word when they have run out.

Each connection to NATS takes one, and two while it logs in anew.
"""

import errno
import logging
import resource
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

RESERVED = 256
"""For the API server, probes, files and what Python opens for itself."""

EACH = 2
"""What a connection takes at most, by and large."""

OVER_AFTER = 60.0
"""Seconds without a failure after which the next one is told again."""

_RUN_OUT = frozenset({errno.EMFILE, errno.ENFILE})


def raise_limit() -> int:
    """Raise the soft limit to the hard one, if it may be; returns what the limit is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as error:
        log.warning("The limit of file descriptors stays %d: %s", soft, error)
        return soft
    return hard


def connections(wanted: int, limit: int) -> int:
    """How many connections there may be: as many as are wanted, if there are descriptors for them.

    Args:
        wanted: 0: any number.
    """
    most = max((limit - RESERVED) // EACH, 1)
    if 0 < wanted <= most:
        return wanted
    if wanted:
        log.warning(
            "There can be %d connections only, and not %d: the limit of file descriptors is %d",
            *(most, wanted, limit),
        )
    return most


class OnceRunOut(logging.Filter):
    """Lets one record pass when descriptors have run out, in words of its own, and then none.

    Servers fail with every attempt to accept somebody, thousands of times a minute.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now = now
        self._last = float("-inf")

    def filter(self, record: logging.LogRecord) -> bool:
        if not _has_run_out(record.exc_info[1] if record.exc_info else None):
            return True
        is_over = self._now() - self._last > OVER_AFTER
        self._last = self._now()
        record.msg, record.args, record.exc_info = _WORDS, (), None
        return is_over


_WORDS = (
    "No file descriptor is left: connections can't be opened, and probes may fail. Raise the limit "
    "of the container (nofile), or have fewer CozeConnections. This is told once until it is over"
)


def _has_run_out(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, OSError) and error.errno in _RUN_OUT:
            return True
        error = error.__cause__ or error.__context__
    return False
