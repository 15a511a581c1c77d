"""Logging in to the apiserver: one HTTP session, for Kopf and for the operator's own requests.

In a cluster the pod's service account is used, elsewhere KUBECONFIG. Both are read by the
kubernetes library, which also renews what expires: projected tokens, and those of plugins.
"""

import asyncio
import logging
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

import aiohttp
import kopf
import kubernetes.client
import kubernetes.config

from coze_nats.core import names
from coze_nats.core.terms import UNDELIVERED_SECONDS
from coze_nats.kube.lane import TURN_SECONDS, Lane
from coze_nats.kube.measuring import measured
from coze_nats.kube.watches import Answer, Watches

log = logging.getLogger(__name__)

OWN_WIDTH = 32
KOPFS_WIDTH = 4
"""Requests at once, of our own and of Kopf, which only lists and watches. An apiserver is not
faster with more, and each connection costs memory here and there."""

RELOGIN_DELAY = 5.0
"""Seconds between being refused and trying again."""


class NotConfigured(Exception):
    """There is no apiserver to talk to; the message says what was looked for and what to do."""


class Session:
    """The way to the apiserver; `login` opens it, Kopf closes it when it ends or is refused."""

    def __init__(
        self, watches: Watches, kubeconfig: str = "", *, relogin_delay: float = RELOGIN_DELAY
    ) -> None:
        """`kubeconfig` names files as KUBECONFIG does; "" means ~/.kube/config."""
        self._relogin_delay = relogin_delay
        self._watches = watches
        self._kubeconfig = kubeconfig
        self._configuration = _configuration(kubeconfig)
        # A plugin of a KUBECONFIG takes as long as it likes; one at a time is asked.
        self._logins = ThreadPoolExecutor(1, thread_name_prefix="login")
        self._http: aiohttp.ClientSession | None = None
        self._logged_in = False
        self._kopfs_lane = Lane(KOPFS_WIDTH)
        self._own_lane = Lane(OWN_WIDTH, turn_within=TURN_SECONDS)

    @property
    def server(self) -> str:
        """The apiserver's URL."""
        return str(self._configuration.host).rstrip("/")

    async def login(self) -> kopf.AiohttpSession:
        """The session in the form that Kopf wants; it asks again whenever it was refused."""
        if self._logged_in:
            # Kopf asks as fast as it is refused.
            await asyncio.sleep(self._relogin_delay)
            await self.renew()
        self._logged_in = True
        return kopf.AiohttpSession(server=self.server, aiohttp_session=self.http)

    async def renew(self) -> None:
        """Read the credentials anew: the apiserver refused the current ones."""
        loop = asyncio.get_running_loop()
        try:
            self._configuration = await loop.run_in_executor(
                self._logins, _configuration, self._kubeconfig
            )
        except NotConfigured as error:
            log.warning("The credentials stay as they were. %s", error)

    @property
    def http(self) -> aiohttp.ClientSession:
        """The session itself; requests take URLs that begin with `server`."""
        if self._http is None or self._http.closed:
            self._http = self._open()
        return self._http

    def own_requests(self, lane: Lane | None = None) -> tuple[aiohttp.ClientMiddlewareType, ...]:
        """The middlewares that the operator's own requests want instead of those for Kopf."""
        return self._authorize, lane or self._own_lane, measured

    async def close(self) -> None:
        """Close the session if Kopf didn't."""
        if self._http:
            await self._http.close()

    def _open(self) -> aiohttp.ClientSession:
        # A watch keeps its connection, and each of two Leases has one for its renewals.
        limit = KOPFS_WIDTH + OWN_WIDTH + len(self._watches.places) + 2
        connector = aiohttp.TCPConnector(
            limit=limit, ssl=_ssl_context(self._configuration), socket_factory=_socket
        )
        return aiohttp.ClientSession(
            connector=connector,
            response_class=Answer,
            middlewares=(
                _only_read,
                self._authorize,
                self._watches.follow,
                self._kopfs_lane,
                measured,
            ),
            proxy=self._configuration.proxy,
            # The apiserver names by it who manages the finalizer.
            headers={"User-Agent": f"{names.FIELD_MANAGER}/{version('coze-nats-operator')}"},
        )

    async def _authorize(
        self, request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        # Asking for it renews it when its time is up; the second name is that of older releases.
        configuration = self._configuration
        token = await asyncio.get_running_loop().run_in_executor(
            self._logins, configuration.get_api_key_with_prefix, "BearerToken", "authorization"
        )
        if token:
            request.headers["Authorization"] = token
        if configuration.tls_server_name:
            request.server_hostname = configuration.tls_server_name
        return await send(request)


async def _only_read(
    request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Middleware for Kopf: what it would write, nobody has asked whether we lead."""
    if request.method != "GET":
        raise RuntimeError(f"Kopf shall write nothing, and tries to {request.method}")
    return await send(request)


def _socket(address: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    if option := getattr(socket, "TCP_USER_TIMEOUT", None):
        made.setsockopt(socket.IPPROTO_TCP, option, round(UNDELIVERED_SECONDS * 1000))
    return made


def _configuration(kubeconfig: str) -> kubernetes.client.Configuration:
    configuration = kubernetes.client.Configuration()
    # Proxies of the environment lead out of the cluster; one for the apiserver is in KUBECONFIG.
    configuration.proxy = None
    try:
        kubernetes.config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]
        return configuration
    except kubernetes.config.ConfigException as error:
        no_pod = error
    try:
        kubernetes.config.load_kube_config(  # type: ignore[no-untyped-call]
            kubeconfig or "~/.kube/config", client_configuration=configuration
        )
    except kubernetes.config.ConfigException as error:
        place = f"KUBECONFIG={kubeconfig}" if kubeconfig else "~/.kube/config, without KUBECONFIG"
        raise NotConfigured(
            f"There is no Kubernetes cluster to work for. As in a pod: {no_pod} As outside, by "
            f"{place}: {error}"
        ) from error
    return configuration


def _ssl_context(configuration: kubernetes.client.Configuration) -> ssl.SSLContext:
    context = kopf.ConnectionInfo(
        server=configuration.host,
        ca_path=configuration.ssl_ca_cert,
        insecure=not configuration.verify_ssl,
        certificate_path=configuration.cert_file,
        private_key_path=configuration.key_file,
    ).as_ssl_context()
    # From Python 3.13 on, an authority without extensions that kubectl never asked for would be
    # refused, and many a cluster's has none. Chain, names and times are verified all the same.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
