"""Make a server hang, as seen from outside, and go on again."""

import os
import signal

from controlplane.nats import NatsServer


def suspend(server: NatsServer) -> None:
    """Stop the server's process and return when all its threads stand still."""
    assert server.process is not None
    server.process.send_signal(signal.SIGSTOP)
    # The signal alone takes effect some time later; the exit status is left to its owner.
    os.waitid(os.P_PID, server.process.pid, os.WSTOPPED | os.WNOWAIT)


def resume(server: NatsServer) -> None:
    """Let the server's process go on."""
    assert server.process is not None
    server.process.send_signal(signal.SIGCONT)
