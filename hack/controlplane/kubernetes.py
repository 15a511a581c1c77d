"""A kube-apiserver with RBAC and TLS, over an etcd of its own, on loopback.

No kubelet, no scheduler: nothing runs pods. Controllers (deleting the content of namespaces,
garbage collection) run only when asked for. The `default` ServiceAccounts are not made.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from controlplane import access, binaries, ports, processes
from controlplane.certificates import Authority, Pair, write_key, write_public_key
from controlplane.directories import Directory
from controlplane.errors import ControlPlaneError
from controlplane.recipes import Binary

ISSUER = "https://kubernetes.default.svc"
# A socket in the instance's directory: no port to clash, nobody else to read it.
ETCD_SOCKET = "unix://etcd:0"
DATA = "etcd"
TOKEN_SECONDS = 24 * 60 * 60
PORT_TRIES = 5


class KubectlError(ControlPlaneError):
    """kubectl ended with an error; `completed` has its exit code and output."""

    def __init__(self, completed: subprocess.CompletedProcess[str]) -> None:
        words = " ".join(map(str, completed.args[1:]))
        super().__init__(f"kubectl {words} failed ({completed.returncode}): {completed.stderr}")
        self.completed = completed


class KubernetesAPI:
    """A context manager; `start` and `stop` do the same for fixtures.

    `port` asks for a port (default: a free one). `controllers` names controllers of
    kube-controller-manager to run as well, such as `namespace-controller` or
    `garbage-collector-controller`; `arguments` are further ones of the API server.
    """

    def __init__(
        self,
        port: int | None = None,
        controllers: Sequence[str] = (),
        arguments: Sequence[str] = (),
    ) -> None:
        self._directory = Directory("kubernetes")
        self._requested_port = port
        self._controllers = controllers
        self._arguments = arguments
        self._servers: list[processes.Server] = []
        self.port = port or 0

    @property
    def directory(self) -> Path:
        """Of this instance: keys, data and logs. It is removed by `stop`."""
        return self._directory.path

    @property
    def url(self) -> str:
        return f"https://{ports.LOOPBACK}:{self.port}"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.directory / "admin.kubeconfig"

    @property
    def ca_file(self) -> Path:
        return self.directory / "ca.crt"

    @property
    def running(self) -> bool:
        return bool(self._servers) and all(server.running for server in self._servers)

    def start(self) -> Self:
        if self._servers:
            raise ControlPlaneError("This control plane is running already.")
        if self._requested_port:
            ports.require_free(self._requested_port, "the API server")
        self._directory.make()
        try:
            self._write_identities()
            self._etcd = self._server("etcd")
            self._start_etcd()
            self._apiserver = self._server("kube-apiserver")
            self._start_apiserver_on_a_port()
            if self._controllers:
                self._start_controllers()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End the servers and remove their data."""
        for server in reversed(self._servers):
            # Nothing is kept, so nothing has to be written out first.
            server.stop(signal.SIGKILL)
        self._servers.clear()
        self._directory.remove()

    def restart(self, with_signal: signal.Signals = signal.SIGKILL) -> None:
        """End the API server and start it again: same port, same data; returns when ready."""
        self._apiserver.stop(with_signal)
        self._start_apiserver()

    def back_up(self, directory: Path) -> None:
        """Copy all data into a new directory; the servers rest meanwhile."""
        with self._resting():
            shutil.copytree(self.directory / DATA, directory)

    def restore(self, directory: Path) -> None:
        """Replace all data by those of a backup, with the revisions that they had."""
        with self._resting():
            shutil.rmtree(self.directory / DATA)
            shutil.copytree(directory, self.directory / DATA)

    @contextmanager
    def _resting(self) -> Iterator[None]:
        """End API server and etcd, and start them again: same port."""
        self._apiserver.stop(signal.SIGKILL)
        self._etcd.stop()
        yield
        self._start_etcd()
        self._start_apiserver()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def kubectl(
        self,
        *args: str | Path,
        input: str | None = None,  # noqa: A002  the name that subprocess.run gives it
        check: bool = True,
        kubeconfig: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl, as administrator unless a kubeconfig is given.

        Raises `KubectlError` if it fails, unless `check` is false.
        """
        completed = subprocess.run(
            [str(binaries.find(Binary.KUBECTL)), *map(str, args)],
            env=self.environment(kubeconfig),
            input=input or "",
            capture_output=True,
            text=True,
            check=False,
        )
        if check and completed.returncode:
            raise KubectlError(completed)
        return completed

    def environment(self, kubeconfig: Path | None = None) -> dict[str, str]:
        """Environment variables for kubectl and other clients, untouched by the user's settings."""
        return os.environ | {
            "KUBECONFIG": str(kubeconfig or self.kubeconfig),
            "KUBECACHEDIR": str(self.directory / "kubectl-cache"),
            "KUBERC": "off",
        }

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        """A kubeconfig with a fresh token of this ServiceAccount, which must exist."""
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": TOKEN_SECONDS},
        }
        account = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}"
        answer = self._admin.post(f"{account}/token", request)
        return access.write_kubeconfig(
            self.directory / f"{namespace}-{name}.kubeconfig",
            self.url,
            self.ca_file,
            {"token": answer["status"]["token"]},
            namespace,
        )

    def metrics(self) -> str:
        """The API server's metrics in Prometheus's text format."""
        return self._admin.get("/metrics")

    def log_tail(self, server: str = "kube-apiserver", lines: int = 30) -> str:
        """The end of the log of `kube-apiserver`, `etcd` or `kube-controller-manager`."""
        return next((s.log_tail(lines) for s in self._servers if s.name == server), "")

    def _server(self, name: str) -> processes.Server:
        server = processes.Server(name, self.directory)
        self._servers.append(server)
        return server

    def _write_identities(self) -> None:
        authority = Authority(self.directory)
        self._serving = authority.issue_server("kube-apiserver")
        self._admin_pair = authority.issue_client("admin", ["system:masters"])
        key = write_key(self.directory / "service-accounts.key")
        write_public_key(key, self.directory / "service-accounts.pub")

    def _start_apiserver_on_a_port(self) -> None:
        for attempt in range(1, PORT_TRIES + 1):
            self.port = self._requested_port or ports.free()
            try:
                self._start_apiserver()
                break
            except processes.AddressInUseError:
                # Somebody took the port between our look and the server's; look again.
                self._apiserver.stop()
                if self._requested_port or attempt == PORT_TRIES:
                    raise
        user = access.client_certificate(self._admin_pair)
        access.write_kubeconfig(self.kubeconfig, self.url, self.ca_file, user)

    def _start_etcd(self) -> None:
        self._etcd.start(_etcd_command(binaries.find(Binary.ETCD)))

    def _start_apiserver(self) -> None:
        program = binaries.find(Binary.KUBE_APISERVER)
        command = _apiserver_command(program, self.port, self.directory, self._serving)
        self._apiserver.start([*command, *self._arguments])
        self._admin = access.AdminClient(self.url, self.ca_file, self._admin_pair)
        self._apiserver.await_ready(self._is_ready)

    def _is_ready(self) -> bool:
        return all(
            self._admin.serves(path)
            for path in (
                "/readyz",
                "/api/v1/namespaces/default",
                "/api/v1/namespaces/kube-system",
            )
        )

    def _start_controllers(self) -> None:
        program = binaries.find(Binary.KUBE_CONTROLLER_MANAGER)
        server = self._server("kube-controller-manager")
        server.start(
            [
                program,
                f"--kubeconfig={self.kubeconfig}",
                f"--controllers={','.join(self._controllers)}",
                "--leader-elect=false",
                "--secure-port=0",
            ]
        )


def _etcd_command(program: Path) -> list[str | Path]:
    peers = "unix://peers:0"
    return [
        program,
        f"--data-dir={DATA}",
        "--unsafe-no-fsync",
        "--log-level=warn",
        f"--listen-client-urls={ETCD_SOCKET}",
        f"--advertise-client-urls={ETCD_SOCKET}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=default={peers}",
    ]


def _apiserver_command(
    program: Path, port: int, directory: Path, serving: Pair
) -> list[str | Path]:
    return [
        program,
        f"--etcd-servers={ETCD_SOCKET}",
        f"--bind-address={ports.LOOPBACK}",
        f"--advertise-address={ports.LOOPBACK}",
        f"--secure-port={port}",
        f"--tls-cert-file={serving.certificate}",
        f"--tls-private-key-file={serving.key}",
        f"--client-ca-file={directory / 'ca.crt'}",
        f"--service-account-issuer={ISSUER}",
        f"--service-account-key-file={directory / 'service-accounts.pub'}",
        f"--service-account-signing-key-file={directory / 'service-accounts.key'}",
        "--authorization-mode=RBAC",
        "--anonymous-auth=false",
        "--service-cluster-ip-range=10.96.0.0/24",
        # Loopback is no address that other nodes could reach.
        "--endpoint-reconciler-type=none",
        # It would refuse pods without a ServiceAccount that a controller makes; nothing runs pods.
        "--disable-admission-plugins=ServiceAccount",
        "--profiling=false",
    ]
