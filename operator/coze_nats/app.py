"""Puts the operator together and runs it: the only place that knows every part."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar, cast

import kopf

from coze_nats import descriptors, handlers, logs, metrics
from coze_nats.checks import Checks
from coze_nats.controller.cache import Cache
from coze_nats.controller.connecting import Connecting
from coze_nats.controller.controller import Controller
from coze_nats.controller.duty import Duty
from coze_nats.controller.hints import Hints
from coze_nats.controller.links import Links
from coze_nats.controller.resync import Resync
from coze_nats.controller.router import Router
from coze_nats.controller.sweep import PastChanged, Sweep
from coze_nats.core.errors import Failure
from coze_nats.core.resource import Key
from coze_nats.ending import CannotRun, stop_on_signals, unless, watch
from coze_nats.health import HealthServer
from coze_nats.introduction import introduction
from coze_nats.jetstream.endpoint import NatsEndpoint
from coze_nats.kube.api import Api
from coze_nats.kube.cluster import Cluster, Forbidden
from coze_nats.kube.documents import Documents
from coze_nats.kube.events import EventPoster
from coze_nats.kube.resources import Resources
from coze_nats.kube.session import NotConfigured, Session
from coze_nats.kube.watches import Watches
from coze_nats.leadership import Leadership
from coze_nats.ports import Endpoint
from coze_nats.reconcile import Brake, Context, Reconciler, Reporter, Rules
from coze_nats.selfwatch import LoopWatch, RunWatch
from coze_nats.settings import Settings

log = logging.getLogger(__name__)

Value = TypeVar("Value")

FINISH_SECONDS = 20.0
"""What is in flight gets so long at the end; a pod has 30 s between SIGTERM and SIGKILL."""

FRESH_ROUNDS = 3
"""For so many resyncs, the figures of streams and consumers are told that the last one saw."""

RETRY_SECONDS = 5.0
"""Between looks for what must be there before the operator can start."""

FORBIDDEN_SECONDS = 20.0
"""For so long the right to know the cluster may be missing before the operator gives up."""


def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; raises CannotRun."""
    logs.configure(settings.log_format, settings.log_level)
    for line in introduction(settings):
        log.info("%s", line)
    # Not asyncio.run: it waits for every task to end, also for one that Kopf has lost.
    most = descriptors.connections(settings.most_connections, descriptors.raise_limit())
    settings = replace(settings, most_connections=most)
    loop = asyncio.new_event_loop()
    try:
        with LoopWatch(loop):
            loop.run_until_complete(_run(settings))
    except (NotConfigured, Forbidden, OSError) as error:
        raise CannotRun(str(error)) from error
    finally:
        loop.close()


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()
    stop_on_signals(stop)
    operator = Operator(settings)
    health = operator.health_server()
    try:
        if health:
            await health.start()
        cluster_id = await unless(stop, operator.prepare())
        if cluster_id is not None:
            await operator.run(cluster_id, stop)
    finally:
        await operator.close()
        if health:
            await health.stop()


class Operator:
    """One operator process: its parts, and how they start and end."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._watches = Watches(settings.namespaces)
        self._session = Session(self._watches, settings.kubeconfig)
        self._leadership = Leadership(self._session, settings.election)
        self._may_write = self._leadership.may_write
        self._api = Api(self._session, may_write=self._may_write)
        self._events = EventPoster(self._api)
        self._cache = Cache(settings.default_connection)
        self._seen = metrics.Seen(settings.metrics_max_objects, self._cache.get)
        self._duty = Duty(self._cache, settings.shard)
        self._resources = Resources(self._api, self._events)
        self._reporter = Reporter(
            self._cache,
            self._resources,
            time,
            settings.default_policies,
            settings.forbidden_policies,
        )
        self._brake = Brake(settings.most_deletions)
        self._links: Links | None = None
        self._checks = Checks(
            self._watches,
            self._leadership,
            lambda: self._links[None] if self._links else None,
            has_own_connection=settings.own_nats is not None and self._duty.covers(None),
            waiting_for="the Kubernetes API server",
        )
        self._stopped = asyncio.Event()
        self._past_changed: PastChanged | None = None
        self._state: metrics.State | None = None

    async def prepare(self) -> str:
        """Wait until the cluster has what the operator needs; returns the cluster's identity.

        Raises Forbidden when no waiting will help.
        """
        cluster = Cluster(self._api)
        cluster_id = self._settings.cluster_id or await self._identity(cluster)
        while missing := await self._asked(cluster.missing_kinds):
            self._wait_for(
                f"the CRDs of {', '.join(missing)}: install them (kubectl apply -f crds/)"
            )
            await asyncio.sleep(RETRY_SECONDS)
        self._checks.waiting_for = ""
        log.info("Cluster id: %s", cluster_id)
        return cluster_id

    async def run(self, cluster_id: str, stop: asyncio.Event) -> None:
        """Look after the resources until `stop` is set; what is in flight is finished."""
        controller, links, sweep = self._assemble(cluster_id)
        self._links, self._checks.queue = links, controller.queue
        dependencies = handlers.Dependencies(
            login=self._session.login,
            start=lambda: self._start(controller, links, sweep, stop),
            stop=lambda: self._stop(controller, links, stop),
            controller=controller,
            heard=self._watches.heard,
        )
        await watch(
            kopf.operator(
                registry=handlers.build_registry(dependencies),
                settings=handlers.configure(kopf.OperatorSettings()),
                clusterwide=not self._settings.namespaces,
                namespaces=self._settings.namespaces,
                standalone=True,
                # Kopf would ask for the user's name, and the user of a container has none.
                identity=cast("Any", cluster_id),
                stop_flag=stop,
            ),
            self._stopped,
        )
        if self._leadership.is_lost:
            raise CannotRun("The lead is lost (see the log): another operator may act now")
        if self._past_changed:
            raise CannotRun(f"{self._past_changed}. The operator has to begin anew")

    def _assemble(self, cluster_id: str) -> tuple[Controller, Links, Sweep]:
        """Connect the parts that know who they work for."""
        cache, reporter = self._cache, self._reporter

        def build(connection: Key | None, endpoint: Endpoint) -> tuple[Reconciler, Resync, Hints]:
            context = Context(
                resources=cache,
                jetstream=endpoint.jetstream,
                reporter=reporter,
                clock=time,
                rules=self._rules(cluster_id),
                brake=self._brake,
                connection=connection,
            )
            reconciler = Reconciler(context, endpoint)
            resync = Resync(
                controller.queue,
                reconciler,
                partial(links.comparable, connection),
                endpoint.jetstream,
                interval=self._settings.resync_interval,
                lane=connection,
                figures=self._seen.of(
                    metrics.label_of(connection), FRESH_ROUNDS * self._settings.resync_interval
                ),
                is_young=reconciler.has_young_streams,
            )
            hints = Hints(
                cache,
                controller.queue,
                connection,
                reporter.written_ago,
                resync.request,
                context.blocked.on,
            )
            return reconciler, resync, hints

        # The queue is made with the controller, further down.
        links = Links(
            cache,
            lambda key: controller.queue.add(key),  # noqa: PLW0108
            build,
            self._watches.filled,
            self._duty.begun,
        )
        dial = partial(
            NatsEndpoint.dial,
            may_write=self._may_write,
            allow_local=self._settings.allow_local,
        )
        connecting = Connecting(
            cache, links, Documents(self._api), dial, reporter, most=self._settings.most_connections
        )
        router = Router(cache, links, connecting, reporter)
        controller = Controller(
            router,
            cache,
            self._resources.add_finalizer,
            self._resources.release_finalizer,
            self._duty,
        )
        sweep = Sweep(controller, cache, self._resources, interval=self._settings.resync_interval)
        self._watches.on_relist, self._watches.on_resume = sweep.request, sweep.resumed
        self._state = metrics.State(
            lambda: [resource for resource in cache if self._duty.acts_on(resource)],
            lambda: controller.queue.load,
            links.states,
            lambda: self._leadership.leads,
            str(self._settings.shard or ""),
            asyncio.get_running_loop(),
        )
        metrics.REGISTRY.register(self._state)
        return controller, links, sweep

    def _rules(self, cluster_id: str) -> Rules:
        return Rules(
            cluster_id=cluster_id,
            default_replicas=self._settings.stream_replicas,
            default_policies=self._settings.default_policies,
            forbidden_policies=self._settings.forbidden_policies,
            dry_run=self._settings.dry_run,
            succeeds=self._settings.succeeds,
            **({"api_prefix": self._settings.nats.api_prefix} if self._settings.nats else {}),
        )

    def health_server(self) -> HealthServer | None:
        """What answers the kubelet, unless that is switched off."""
        if self._settings.health_port is None:
            return None
        return HealthServer(
            self._settings.health_port,
            self._settings.health_host,
            healthy=self._checks.unhealthy,
            ready=self._checks.unready,
            exposition=partial(metrics.exposition, self._seen),
            facts=self._checks.facts,
        )

    async def close(self) -> None:
        """Close what is still open."""
        await self._session.close()
        if self._state:
            metrics.REGISTRY.unregister(self._state)

    async def _start(
        self, controller: Controller, links: Links, sweep: Sweep, stop: asyncio.Event
    ) -> None:
        def take_over() -> None:
            controller.take_over()
            links.tell_of_obstacles()

        if self._settings.own_nats and self._duty.covers(None):
            await links.open(None, "", NatsEndpoint(self._settings.own_nats, self._may_write))
        self._leadership.start(self._watches.filled, take_over, stop)
        self._checks.tasks += (
            asyncio.create_task(self._look(sweep, stop), name="sweep"),
            asyncio.create_task(RunWatch(controller.queue.runs).run(), name="run-watch"),
        )

    async def _look(self, sweep: Sweep, stop: asyncio.Event) -> None:
        # What isn't listed yet can't be missing.
        await self._watches.filled.wait()
        # Kopf has put its own handlers in place meanwhile, for which a second signal is an error.
        stop_on_signals(stop)
        try:
            await sweep.run()
        except PastChanged as changed:
            log.error("%s", changed)  # noqa: TRY400  it is nothing of the operator's own
            self._past_changed = changed
            stop.set()

    async def _stop(self, controller: Controller, links: Links, stop: asyncio.Event) -> None:
        # Kopf waits for its own waiting for the flag, also when it stops for another reason.
        stop.set()
        tasks, self._checks.tasks = self._checks.tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # Nothing more is written without the lead, nor what the cluster may not declare any more.
        may_finish = self._may_write() and not self._past_changed
        is_done = await controller.queue.stop(FINISH_SECONDS if may_finish else 0.0)
        await self._events.close(2.0)
        await links.stop(2.0)
        await self._leadership.end(is_done=is_done)
        log.info("Stopped")
        self._stopped.set()

    async def _identity(self, cluster: Cluster) -> str:
        """The cluster's identity; Forbidden when the right to read it doesn't come in time.

        An API server that has just started refuses for a moment what it will grant.
        """
        until = time.monotonic() + FORBIDDEN_SECONDS
        while True:
            try:
                return await self._asked(cluster.identity)
            except Forbidden:
                if time.monotonic() >= until:
                    raise
                self._wait_for(
                    "the right to read namespace kube-system, by which to know the cluster"
                )
                await asyncio.sleep(RETRY_SECONDS)

    async def _asked(self, ask: Callable[[], Awaitable[Value]]) -> Value:
        while True:
            try:
                return await ask()
            except Failure as failure:
                self._wait_for(f"the Kubernetes API server: {failure}")
                await asyncio.sleep(RETRY_SECONDS)

    def _wait_for(self, what: str) -> None:
        if what != self._checks.waiting_for:
            log.warning("Waiting for %s", what)
        self._checks.waiting_for = what
