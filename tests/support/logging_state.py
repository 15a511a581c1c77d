"""Logging is global: what a test configures must not outlive it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

_CONFIGURED = ("kopf.objects", "kopf.activities", "kopf._core", "kopf._cogs", "asyncio")


@contextmanager
def restored() -> Iterator[None]:
    """Have logging afterwards as it was before; inside, there are no handlers to begin with."""
    root, objects = logging.getLogger(), logging.getLogger("kopf.objects")
    handlers, level, filters = root.handlers[:], root.level, objects.filters[:]
    # Configuring closes the handlers that it replaces, and pytest still needs its own.
    root.handlers.clear()
    try:
        yield
    finally:
        root.handlers[:], objects.filters[:] = handlers, filters
        root.setLevel(level)
        for name in _CONFIGURED:
            logging.getLogger(name).setLevel(logging.NOTSET)
