"""Free TCP ports on loopback for servers that must know their port before they start."""

import random
import socket

from controlplane.errors import ControlPlaneError

LOOPBACK = "127.0.0.1"
# Below the range from which kernels take the ports of outgoing connections: a server that restarts
# on its port must not find it taken by somebody's client (least of all its own, reconnecting).
FIRST, LAST = 20_000, 29_999
# Nobody listens there: it was for "discard", which is not served any more.
NOBODY = 9

_random = random.SystemRandom()
_given: set[int] = set()
_range = (FIRST, LAST)


def share(number: int, count: int) -> None:
    """Give only those of one of `count` processes, which leave each other's alone, from 0."""
    global _range  # noqa: PLW0603  what is free is the whole process's business
    size = (LAST - FIRST + 1) // count
    _range = (FIRST + number * size, FIRST + (number + 1) * size - 1)


def free() -> int:
    """A port that nothing listens on now and that this process has not been given before."""
    for _ in range(1_000):
        port = _random.randint(*_range)
        if port not in _given and is_free(port):
            _given.add(port)
            return port
    raise ControlPlaneError("No free port between {} and {} on {}.".format(*_range, LOOPBACK))


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do: a connection that lingers from before must not count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def require_free(port: int, purpose: str) -> None:
    if not is_free(port):
        raise ControlPlaneError(
            f"Port {port}, asked for {purpose}, is taken on {LOOPBACK}. Choose another, leave it "
            f"out to get a free one, or stop what listens there (ss -ltnp 'sport = :{port}')."
        )
