"""Kubernetes events: what happened to a resource, for `kubectl describe` and `kubectl events`."""

import asyncio
import logging
import time
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from coze_nats.core import names
from coze_nats.core.errors import Failure
from coze_nats.core.resource import Resource
from coze_nats.core.turns import Turns
from coze_nats.core.words import readable
from coze_nats.kube.api import Api

log = logging.getLogger(__name__)

MESSAGE_LIMIT = 1024
"""Characters; what the newer of the two events APIs allows."""

NAME_LIMIT = 253
"""Characters of the name of an event, as of most objects."""

_AT_ONCE = 4
_WAITING = 1000


class _Kind(NamedTuple):
    """What an event is about: of those that wait, the newest of a kind is enough."""

    uid: str
    reason: str


class EventPoster:
    """Posts events in the background, a few at a time. One that can't be posted is only logged.

    Namespaces take turns. Too many are dropped where most of them wait, which is told once.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._waiting: Turns[_Kind, dict[str, Any]] = Turns()
        self._tasks: set[asyncio.Task[None]] = set()
        self._last_ns = 0
        self._dropped = 0

    def emit(
        self, resource: Resource, type_: Literal["Normal", "Warning"], reason: str, message: str
    ) -> None:
        """Post an event about the resource, without waiting for it."""
        namespace, kind = resource.key.namespace, _Kind(resource.uid, reason)
        event = _event(resource, self._name(resource), type_, reason, message)
        if former := self._waiting.get(namespace, kind):
            event["firstTimestamp"] = former["firstTimestamp"]
            event["count"] = former["count"] + 1
        self._waiting.put(namespace, kind, event)
        if len(self._waiting) > _WAITING:
            self._drop()
        self._begin()

    async def close(self, grace: float) -> None:
        """Give the events that wait `grace` seconds."""
        try:
            async with asyncio.timeout(grace):
                while self._tasks:
                    await asyncio.wait(self._tasks)
        except TimeoutError:
            self._waiting = Turns()
            for task in self._tasks:
                task.cancel()

    def _drop(self) -> None:
        _, event = self._waiting.drop()
        if not self._dropped:
            about = event["involvedObject"]
            log.warning(
                "Event %s of %s %s/%s is dropped: too many wait, most of them of that namespace. "
                "Others may follow, which is told when it is over",
                *(event["reason"], about["kind"], about["namespace"], about["name"]),
            )
        self._dropped += 1

    def _begin(self) -> None:
        """Post what waits, as far as there are not enough under way."""
        while len(self._waiting) and len(self._tasks) < _AT_ONCE:
            _, event = self._waiting.pop()
            task = asyncio.create_task(self._post(event))
            self._tasks.add(task)
            task.add_done_callback(self._done)
        if self._dropped and not len(self._waiting):
            log.warning("%d events were dropped: too many waited", self._dropped)
            self._dropped = 0

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._begin()

    def _name(self, resource: Resource) -> str:
        """A name that no other event has, and that sorts after those of earlier ones.

        Times are told by the second; within one, kubectl shows events in the order of names.
        """
        self._last_ns = max(time.time_ns(), self._last_ns + 1)
        number = f".{self._last_ns:x}"
        return resource.key.name[: NAME_LIMIT - len(number)].rstrip("-.") + number

    async def _post(self, event: dict[str, Any]) -> None:
        namespace = event["metadata"]["namespace"]
        try:
            await self._api.request("POST", f"/api/v1/namespaces/{namespace}/events", body=event)
        except Failure as failure:
            log.warning("Event %s could not be posted: %s", event["reason"], failure)


def _event(
    resource: Resource, event_name: str, type_: str, reason: str, message: str
) -> dict[str, Any]:
    kind, namespace, name = resource.key
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": event_name, "namespace": namespace},
        "involvedObject": {
            "apiVersion": names.API_VERSION,
            "kind": kind,
            "namespace": namespace,
            "name": name,
            "uid": resource.uid,
        },
        "type": type_,
        "reason": reason,
        "message": readable(message, MESSAGE_LIMIT),
        "source": {"component": names.FIELD_MANAGER},
        "reportingComponent": names.FIELD_MANAGER,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
