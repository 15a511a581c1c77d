"""An operator between a real API server and real NATS, with a proxy of ours on either way."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controlplane import access, ports
from controlplane.kubernetes import KubernetesAPI
from controlplane.nats import NatsCluster, NatsServer
from controlplane.operator import OperatorProcess
from faults.audit import Audit
from support import crds
from support.http_faults import HttpFaults
from support.tcp_proxy import TcpProxy

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT = ("coze-nats-system", "coze-nats-operator")


@dataclass(frozen=True, slots=True)
class Cluster:
    """An API server with what is in manifests/install, which writes down who writes to it."""

    api: KubernetesAPI
    audit: Audit

    def events(self, namespace: str) -> list[dict[str, Any]]:
        """All events in a namespace."""
        listed = self.api.kubectl("get", "events", "-n", namespace, "-o", "json").stdout
        return list(json.loads(listed)["items"])


@dataclass(slots=True)
class Site:
    """An operator, and what it works with.

    Attributes:
        to_api: between operator and API server.
        to_nats: between operator and each nats-server.
    """

    cluster: Cluster
    nats: NatsServer | NatsCluster
    operator: OperatorProcess
    to_api: TcpProxy | HttpFaults
    to_nats: Sequence[TcpProxy]

    @property
    def api_proxy(self) -> TcpProxy:
        assert isinstance(self.to_api, TcpProxy)
        return self.to_api

    @property
    def http(self) -> HttpFaults:
        assert isinstance(self.to_api, HttpFaults)
        return self.to_api

    @property
    def server(self) -> NatsServer:
        assert isinstance(self.nats, NatsServer)
        return self.nats

    @property
    def nats_proxy(self) -> TcpProxy:
        """The one there is when NATS is a single server."""
        (proxy,) = self.to_nats
        return proxy


@contextmanager
def cluster(directory: Path, controllers: Sequence[str] = ()) -> Iterator[Cluster]:
    """An API server of its own, with the CRDs, and the rights of the operator."""
    audit = Audit(directory)
    with KubernetesAPI(controllers=controllers, arguments=audit.arguments) as api:
        crds.install(api)
        api.kubectl("apply", "-k", ROOT / "manifests" / "install")
        yield Cluster(api, audit)


@contextmanager
def site(
    cluster: Cluster,
    namespace: str,
    nats: NatsServer | NatsCluster,
    *,
    over_http: bool = False,
    also: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Iterator[Site]:
    """An operator for a namespace, and `also` for others; it isn't started.

    `over_http`: `to_api` reads requests.
    """
    nodes = [nats] if isinstance(nats, NatsServer) else nats.nodes
    with ExitStack() as running:
        to_nats = [running.enter_context(TcpProxy(node.port)) for node in nodes]
        to_api: TcpProxy | HttpFaults
        if over_http:
            to_api = running.enter_context(HttpFaults(cluster.api.url, cluster.api.ca_file))
        else:
            to_api = running.enter_context(TcpProxy(cluster.api.port))
        operator = OperatorProcess(
            kubeconfig(cluster.api, namespace, to_api),
            ",".join(f"nats://{ports.LOOPBACK}:{proxy.port}" for proxy in to_nats),
            arguments=[f"--namespace={each}" for each in (namespace, *also)],
            environment=environment,
        )
        running.callback(operator.remove)
        yield Site(cluster, nats, operator, to_api, to_nats)


def kubeconfig(api: KubernetesAPI, namespace: str, proxy: TcpProxy | HttpFaults) -> Path:
    """The operator's, through a proxy; the API server's certificate is for 127.0.0.1."""
    document = json.loads(api.service_account_kubeconfig(*ACCOUNT).read_text())
    url = f"https://{ports.LOOPBACK}:{proxy.port}" if isinstance(proxy, TcpProxy) else proxy.url
    user = document["users"][0]["user"]
    return access.write_kubeconfig(
        api.directory / f"faults-{namespace}.kubeconfig", url, api.ca_file, user
    )
