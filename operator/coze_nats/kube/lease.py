"""Leadership by a Lease: of several operators, one writes, and it knows until when it may.

A Lease is a record that is changed only by whoever has seen its last state. Whoever holds it renews
it; who does not takes it when it has not changed for its whole duration. Nobody's wall clock is
ever read: times in the record are for people. Each side measures on its own clock, from its own
observations, so that it does not matter what the other side takes the time to be.

    holder      may write until the START of its last successful renewal + `renew_within`
    candidate   takes over when it has SEEN no change for `duration`, which is longer

A renewal starts before the apiserver records it, and that is before a candidate sees it. So the
holder has stopped before the other begins, also if it was frozen meanwhile and knows nothing of it.

A Lease can be held by several under one name. Each goes by its own renewals, so the same is true of
all of them; only nobody can release it for the others.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from coze_nats.backoff import between
from coze_nats.core.errors import Failure
from coze_nats.core.terms import Terms
from coze_nats.kube.api import Api, ApiServerError, Gone

log = logging.getLogger(__name__)

_JITTER = 0.2
_CONFLICT_SECONDS = 0.05
"""At most so long between a conflict and the next attempt."""
_POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def clock() -> float:
    """Seconds since the machine started, also those for which it slept (on Linux)."""
    return time.clock_gettime(_CLOCK)


Clock = Callable[[], float]


class Lease:
    """One operator's part in the contest for a Lease: `acquire`, then `keep`, then `release`.

    Attributes:
        holder: who held it when it was last looked at; "" if nobody.
        trouble: why it can't be looked at or written; "" when it can.
    """

    def __init__(
        self,
        api: Api,
        namespace: str,
        name: str,
        identity: str,
        terms: Terms,
        clock: Clock = clock,
        *,
        is_shared: bool = False,
    ) -> None:
        """`identity` must be this process's own, and no other's ever, unless it is shared."""
        self.holder = ""
        self.trouble = ""
        self._api = api
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._terms = terms
        self._clock = clock
        self._is_shared = is_shared
        self._record: Mapping[str, Any] | None = None
        self._changed_at = -math.inf
        self._good_until = 0.0

    def __str__(self) -> str:
        return f"{self._namespace}/{self._name}"

    def may_write(self) -> bool:
        """Whether nobody else can hold the Lease yet; to be asked when bytes are about to leave."""
        return self._clock() < self._good_until

    async def acquire(self) -> None:
        """Wait until the Lease is held; an apiserver that is away, or refuses, is waited for."""
        while True:
            if await self._tried(self._take, self._terms.renew_within):
                break
            await asyncio.sleep(self._terms.retry_every * between(1, 1 + _JITTER))
        log.info("%s holds Lease %s", self._identity, self)

    async def keep(self) -> None:
        """Renew the Lease until it is lost; then nothing may be written any more."""
        while self.may_write():
            # Not all at the same moment, if several share it.
            await asyncio.sleep(self._terms.retry_every * between(1 - _JITTER, 1))
            # Half the time for each attempt: a connection that is silently dead gets a successor.
            left = min(self._good_until - self._clock(), self._terms.renew_within / 2)
            if left > 0 and not await self._tried(self._renew, left) and self._is_anothers():
                break
        self._good_until = 0.0
        log.error("Lease %s is lost (%s)", self, self.trouble or f"{self.holder} holds it")

    async def release(self) -> None:
        """Let another take over at once. Nothing that was sent may still be under way."""
        self._good_until = 0.0
        if self._is_shared or self.holder != self._identity:
            return
        if await self._tried(self._give_up, self._terms.retry_every):
            log.info("Lease %s is released", self)

    async def _tried(self, attempt: Callable[[], Any], within: float) -> bool:
        try:
            async with asyncio.timeout(within):
                held = bool(await attempt())
        except (Failure, TimeoutError) as error:
            trouble = str(error) or f"no answer within {within:.1f} s"
            if trouble != self.trouble:
                log.warning("Lease %s: %s", self, trouble)
            self.trouble = trouble
            return False
        self.trouble = ""
        return held

    async def _take(self) -> bool:
        """Look at the Lease, and take it if it is there to be taken."""
        record = await self._read()
        if self._age() < self._patience(record):
            return False
        started = self._clock()
        now = _now()
        changes = {
            "holderIdentity": self._identity,
            "acquireTime": now,
            "renewTime": now,
            "leaseTransitions": int(_spec(record).get("leaseTransitions") or 0)
            + (self.holder != self._identity),
        }
        if not await self._written(record, changes):
            return False
        self._good_until = started + self._terms.renew_within
        return True

    async def _give_up(self) -> bool:
        # A renewal that was cut off may have been recorded all the same.
        await self._read()
        return self._is_anothers() or await self._written(self._record, {"holderIdentity": ""})

    async def _renew(self) -> bool:
        """Say that the holder lives."""
        if self._is_shared:
            # Others have most likely renewed it since.
            await self._read()
        while not self._is_anothers():
            started = self._clock()
            changes = {"holderIdentity": self._identity, "renewTime": _now()}
            if await self._written(self._record, changes):
                self._good_until = started + self._terms.renew_within
                return True
            # With a request of our own whose answer was lost, or with another one who shares it.
            await asyncio.sleep(between(0, _CONFLICT_SECONDS))
            await self._read()
        return False

    async def _read(self) -> Mapping[str, Any] | None:
        """The Lease as it is; None when there is none."""
        try:
            record = await self._api.request("GET", self._path)
        except Gone:
            self._observe(None)
            return None
        self._observe(record)
        return record

    async def _written(self, record: Mapping[str, Any] | None, changes: Mapping[str, Any]) -> bool:
        """Write, unless the Lease has changed since `record`; returns whether it is written."""
        try:
            if record is None:
                await self._post(changes)
            else:
                await self._put(record, changes)
        except Gone:
            self._observe(None)
            return False
        except ApiServerError as error:
            if error.status == HTTPStatus.CONFLICT:
                return False
            raise
        return True

    async def _post(self, changes: Mapping[str, Any]) -> None:
        metadata = {"namespace": self._namespace, "name": self._name}
        self._observe(
            await self._api.request(
                "POST", self._collection, body=self._document(metadata, {}, changes)
            )
        )

    async def _put(self, record: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
        # The metadata holds the resourceVersion that the apiserver compares.
        document = self._document(record["metadata"], _spec(record), changes)
        self._observe(await self._api.request("PUT", self._path, body=document))

    def _document(
        self, metadata: Mapping[str, Any], spec: Mapping[str, Any], changes: Mapping[str, Any]
    ) -> dict[str, Any]:
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": dict(metadata),
            "spec": {**spec, "leaseDurationSeconds": int(self._terms.duration), **changes},
        }

    def _observe(self, record: Mapping[str, Any] | None) -> None:
        """Remember the state; its age counts from now if it is a new one."""
        if _version(record) != _version(self._record):
            self._changed_at = self._clock()
        self._record = record
        holder = str(_spec(record).get("holderIdentity") or "")
        if holder not in (self.holder, self._identity, ""):
            log.info("Standing by: %s holds Lease %s", holder, self)
        self.holder = holder

    def _is_anothers(self) -> bool:
        return self.holder not in ("", self._identity)

    def _age(self) -> float:
        return self._clock() - self._changed_at

    def _patience(self, record: Mapping[str, Any] | None) -> float:
        """How old a state must be for the Lease to be taken."""
        if record is None:
            # Somebody deleted it, unless there never was one; whoever held it still may write.
            return self._terms.duration
        if not self._is_anothers():
            return 0.0
        # The holder may go by longer terms than ours.
        promised = float(_spec(record).get("leaseDurationSeconds") or 0)
        return max(promised, self._terms.duration)

    @property
    def _collection(self) -> str:
        return f"/apis/coordination.k8s.io/v1/namespaces/{self._namespace}/leases"

    @property
    def _path(self) -> str:
        return f"{self._collection}/{self._name}"


def _version(record: Mapping[str, Any] | None) -> tuple[str, str] | None:
    if record is None:
        return None
    return record["metadata"]["uid"], record["metadata"]["resourceVersion"]


def own_namespace() -> str:
    """The namespace that the operator's pod is in; "default" outside of a pod."""
    try:
        return _POD_NAMESPACE.read_text(encoding="utf-8").strip()
    except OSError:
        return "default"


def _spec(record: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return (record or {}).get("spec") or {}


def _now() -> str:
    """The time of day for people who look at the Lease, in the form that the API wants."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
