"""nats-servers with JetStream on loopback: one, or a cluster of them.

Speaks only the monitoring endpoints; publishing and JetStream calls are for the callers. What goes
into `config` for TLS and for users and accounts is made in `tls` and `accounts`.
"""

import contextlib
import json
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Self

from controlplane import binaries, ports, processes
from controlplane.directories import Directory
from controlplane.errors import ControlPlaneError
from controlplane.loopback import urlopen

PORT_TRIES = 5
REQUEST_SECONDS = 5.0
FORMING_SECONDS = (10.0, 20.0)  # for a cluster to become whole, before it is begun anew


class NatsServer:
    """A nats-server; a context manager, `start` and `stop` do the same for fixtures.

    `config` is text added to the configuration file; `domain` is JetStream's. A `store_dir` that is
    given outlives the server, otherwise `stop` removes it. Ports are kept over `restart`.
    """

    def __init__(  # noqa: PLR0913 # servers have many settings, and all have defaults here
        self,
        version: str = binaries.NATS,
        *,
        store_dir: Path | None = None,
        port: int | None = None,
        config: str | None = None,
        name: str | None = None,
        user: str | None = None,
        password: str | None = None,
        token: str | None = None,
        domain: str | None = None,
    ) -> None:
        self.version = version
        self.name = name or "nats"
        self.port = port or 0
        self.monitor_port = 0
        self._requested_port = port
        self._extra = config or ""
        self._credentials = {"user": user, "password": password, "token": token}
        self._domain = f", domain: {json.dumps(domain)}" if domain else ""
        self._directory = Directory(self.name)
        self._given_store = store_dir
        self._server: processes.Server | None = None

    @property
    def url(self) -> str:
        return f"nats://{ports.LOOPBACK}:{self.port}"

    @property
    def monitor_url(self) -> str:
        return f"http://{ports.LOOPBACK}:{self.monitor_port}"

    @property
    def directory(self) -> Path:
        """With the configuration file, the log, and the store unless that was given."""
        return self._directory.path

    @property
    def store_dir(self) -> Path:
        return self._given_store or self.directory / "store"

    @property
    def running(self) -> bool:
        return self._server is not None and self._server.running

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """None while stopped. Suspending it (SIGSTOP) is allowed; `stop` copes."""
        return self._server.process if self._server else None

    def start(self) -> Self:
        """Start, and return when JetStream is served."""
        self.launch()
        self.await_ready()
        return self

    def launch(self) -> None:
        """Start without waiting for JetStream: nodes of a cluster need each other for that."""
        if self._server and self._server.running:
            raise ControlPlaneError(f"{self.name} is running already.")
        self._directory.make()
        self._server = self._server or processes.Server(self.name, self.directory)
        if self.port:
            ports.require_free(self.port, self.name)
        for attempt in range(1, PORT_TRIES + 1):
            try:
                self._launch_on_ports(self._server)
                return
            except processes.AddressInUseError:
                # Somebody took a port between our look and the server's; look again.
                self._server.stop()
                if self._requested_port or attempt == PORT_TRIES:
                    raise
                self.port = self.monitor_port = 0

    def await_ready(self) -> None:
        """Return when JetStream is served; in a cluster that takes a majority of the nodes."""
        self._running().await_ready(lambda: self.monitor("/healthz").get("status") == "ok")

    def stop(self) -> None:
        """SIGTERM, wait, and remove what was not given."""
        if self._server:
            self._server.stop()
            self._server = None
        self._directory.remove()

    def kill(self) -> None:
        """SIGKILL; the store stays for `restart`."""
        self._running().stop(signal.SIGKILL)

    def restart(self, *, wipe: bool = False, config: str | None = None) -> None:
        """Stop if it runs and start again on the same port.

        `wipe` empties the store between; `config` takes the place of the one that there was.
        """
        self.halt()
        if config is not None:
            self._extra = config
        if wipe:
            shutil.rmtree(self.store_dir, ignore_errors=True)
        self.start()

    def reload(self, config: str) -> None:
        """Go on with another `config`, without a restart: users and accounts can change so."""
        server, before = self._running(), self.monitor("/varz")["config_load_time"]
        assert server.process is not None
        self._extra = config
        self._write_config()
        server.process.send_signal(signal.SIGHUP)
        server.await_ready(lambda: self.monitor("/varz").get("config_load_time", before) != before)

    def halt(self) -> None:
        """SIGTERM and wait; the store stays for `restart`."""
        self._running().stop()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_: object) -> None:
        self.stop()

    def monitor(self, path: str) -> dict[str, Any]:
        """The answer of a monitoring endpoint such as `/jsz`; empty while there is none."""
        try:
            with urlopen(f"{self.monitor_url}{path}", timeout=REQUEST_SECONDS) as answer:
                document: dict[str, Any] = json.load(answer)
        except (OSError, ValueError):
            return {}
        return document

    def log_tail(self, lines: int = 30) -> str:
        return self._server.log_tail(lines) if self._server else ""

    def _running(self) -> processes.Server:
        if self._server is None:
            raise ControlPlaneError(f"{self.name} has not been started.")
        return self._server

    def _launch_on_ports(self, server: processes.Server) -> None:
        self.port = self.port or ports.free()
        self.monitor_port = self.monitor_port or ports.free()
        server.start([binaries.nats_server(self.version), "--config", self._write_config()])
        server.await_ready(lambda: bool(self.monitor("/varz")))

    def _write_config(self) -> Path:
        path = self.directory / "nats.conf"
        path.touch(0o600)
        path.write_text(self._configuration())
        return path

    def _configuration(self) -> str:
        # Quoted strings of NATS's configuration language are those of JSON for what occurs here.
        lines = [
            f"server_name: {json.dumps(self.name)}",
            f'listen: "{ports.LOOPBACK}:{self.port}"',
            f'http: "{ports.LOOPBACK}:{self.monitor_port}"',
            f"jetstream {{ store_dir: {json.dumps(str(self.store_dir))}{self._domain} }}",
        ]
        given = {name: value for name, value in self._credentials.items() if value is not None}
        if given:
            words = ", ".join(f"{name}: {json.dumps(value)}" for name, value in given.items())
            lines.append(f"authorization {{ {words} }}")
        return "\n".join([*lines, self._extra, ""])


class NatsCluster:
    """Nodes with routes to each other and replicated JetStream; a context manager.

    `config` is for all nodes; each node has the tag `node:<its number>`, for placement. `tls` is a
    block for the routes; for clients, it has to stand in `config` as well.
    """

    def __init__(
        self,
        version: str = binaries.NATS,
        size: int = 3,
        *,
        name: str = "coze",
        config: str | None = None,
        tls: str = "",
    ) -> None:
        self.version = version
        self.name = name
        route_ports = [ports.free() for _ in range(size)]
        routes = ", ".join(f'"nats://{ports.LOOPBACK}:{port}"' for port in route_ports)
        self.nodes = [
            NatsServer(
                version,
                name=f"{name}-{number}",
                config=f'cluster {{ name: {json.dumps(name)}, listen: "{ports.LOOPBACK}:{port}",'
                f" routes: [{routes}]{tls and f', {tls}'} }}\n"
                f'server_tags: ["node:{number}"]\n{config or ""}',
            )
            for number, port in enumerate(route_ports)
        ]

    @property
    def urls(self) -> list[str]:
        return [node.url for node in self.nodes]

    @property
    def url(self) -> str:
        """All nodes as one comma-separated list."""
        return ",".join(self.urls)

    @property
    def leader(self) -> NatsServer | None:
        """The node that leads the meta group, if all nodes that run agree and keep up with it."""
        running = {node.name: node for node in self.nodes if node.process}
        seen = {
            name: node.monitor("/jsz").get("meta_cluster", {}) for name, node in running.items()
        }
        names = {found.get("leader", "") for found in seen.values()}
        # For a while the others go on naming a leader that is gone.
        if len(names) != 1 or (name := names.pop()) not in running:
            return None
        current = {each["name"] for each in seen[name].get("replicas", ()) if each["current"]}
        # Where a node is not there yet, nothing can be placed on it.
        return running[name] if running.keys() <= {name, *current} else None

    def start(self) -> Self:
        """Start all nodes and return when they agree on a leader."""
        try:
            for node in self.nodes:
                node.launch()
            # nats-server 2.10 forms one cluster in ten without one of its nodes, which it takes in
            # only when something is written: begin anew.
            for within in FORMING_SECONDS:
                with contextlib.suppress(ControlPlaneError):
                    self.await_leader(within)
                    return self
                self._relaunch(wipe=True)
            self.await_leader()
        except BaseException:
            self.stop()
            raise
        return self

    def await_leader(self, within: float = processes.START_SECONDS) -> NatsServer:
        """The meta leader, once all nodes that run agree on one and serve JetStream."""
        deadline = time.monotonic() + within
        for node in self.nodes:
            if node.process:
                node.await_ready()
        while (leader := self.leader) is None:
            if time.monotonic() > deadline:
                tails = "\n".join(node.log_tail(10) for node in self.nodes)
                raise ControlPlaneError(
                    f"The NATS cluster found no leader within {within:.0f} s:\n{tails}"
                )
            time.sleep(processes.POLL_SECONDS)
        return leader

    def restart(self, *, wipe: bool = False) -> None:
        """All nodes at once, on the same ports; `wipe` empties their stores between."""
        self._relaunch(wipe=wipe)
        self.await_leader()

    def _relaunch(self, *, wipe: bool) -> None:
        for node in self.nodes:
            node.halt()
            if wipe:
                shutil.rmtree(node.store_dir, ignore_errors=True)
        for node in self.nodes:
            node.launch()

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
