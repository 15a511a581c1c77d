"""That servers are awaited, explained and ended, whatever becomes of those who started them."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from controlplane import ControlPlaneError, ports, processes
from controlplane.processes import AddressInUseError, Server
from support.eventually import eventually

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server("server", tmp_path)
    yield server
    server.stop(signal.SIGKILL)


def is_alive(pid: int) -> bool:
    # A zombie that nobody has waited for yet still answers to signal 0, so ask for its state.
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    return bool(state) and not state.startswith("Z")


def test_a_server_that_ends_while_starting_is_explained_by_its_log(server: Server) -> None:
    server.start([sys.executable, "-c", "raise SystemExit('no room at the inn')"])

    with pytest.raises(ControlPlaneError, match=r"ended while starting(.|\n)*no room at the inn"):
        server.await_ready(lambda: False)


def test_a_server_that_never_gets_ready_is_given_up(server: Server) -> None:
    server.start(SLEEPER)

    with pytest.raises(ControlPlaneError, match="was not ready within 0 s"):
        server.await_ready(lambda: False, within=0.1)


def test_losing_a_port_is_told_from_other_failures(server: Server) -> None:
    server.start([sys.executable, "-c", "raise SystemExit('bind: address already in use')"])

    with pytest.raises(AddressInUseError):
        server.await_ready(lambda: False)


def test_a_failure_shows_the_log_of_the_latest_start_only(server: Server) -> None:
    server.log.write_text("bind: address already in use\n")
    server.start([sys.executable, "-c", "raise SystemExit('something else')"])

    with pytest.raises(ControlPlaneError, match="something else") as caught:
        server.await_ready(lambda: False)
    assert not isinstance(caught.value, AddressInUseError)


def test_a_suspended_server_can_be_stopped(server: Server) -> None:
    server.start(SLEEPER)
    assert server.process
    pid = server.process.pid
    server.process.send_signal(signal.SIGSTOP)

    server.stop()

    assert not is_alive(pid)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_servers_and_their_directories_go_when_their_starter_is_killed(end: int) -> None:
    script = (
        "import time\n"
        "from pathlib import Path\n"
        "from controlplane import directories, processes\n"
        "directory = directories.Directory('test')\n"
        "directory.make()\n"
        "server = processes.Server('server', directory.path)\n"
        f"server.start({SLEEPER!r})\n"
        "print(server.process.pid, directory.path, flush=True)\n"
        "time.sleep(600)\n"
    )
    hack = str(Path(processes.__file__).parent.parent)
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": hack},
    ) as starter:
        assert starter.stdout
        pid, directory = starter.stdout.readline().split()
        assert is_alive(int(pid))
        starter.send_signal(end)

    eventually(lambda: not is_alive(int(pid)))
    eventually(lambda: not Path(directory).exists())


def test_a_taken_port_is_named_with_its_remedy() -> None:
    with socket.create_server((ports.LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ControlPlaneError, match=f"Port {port}, asked for NATS, is taken"):
            ports.require_free(port, "NATS")


def test_no_port_is_given_twice() -> None:
    given = [ports.free() for _ in range(200)]

    assert len(set(given)) == len(given)
