"""Kubernetes events: what happened to a resource, for `kubectl describe` and `kubectl events`."""

import asyncio
import logging
import time
from datetime import UTC, datetime
from typing import Literal

from coze_nats.core import names
from coze_nats.core.errors import Failure
from coze_nats.core.resource import Resource
from coze_nats.core.words import readable
from coze_nats.kube.api import Api

log = logging.getLogger(__name__)

MESSAGE_LIMIT = 1024
"""Characters; what the newer of the two events APIs allows."""

NAME_LIMIT = 253
"""Characters of the name of an event, as of most objects."""

_AT_ONCE = 4
_WAITING = 1000


class EventPoster:
    """Posts events in the background, a few at a time. One that can't be posted is only logged."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._last_ns = 0

    def emit(
        self, resource: Resource, type_: Literal["Normal", "Warning"], reason: str, message: str
    ) -> None:
        """Post an event about the resource, without waiting for it."""
        if len(self._tasks) >= _WAITING:
            log.warning("Event %s of %s is dropped: too many wait", reason, resource.key)
            return
        event = _event(resource, self._name(resource), type_, reason, message)
        task = asyncio.create_task(self._post(resource.key.namespace, event))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _name(self, resource: Resource) -> str:
        """A name that no other event has, and that sorts after those of earlier ones.

        Times are told by the second; within one, kubectl shows events in the order of names.
        """
        self._last_ns = max(time.time_ns(), self._last_ns + 1)
        number = f".{self._last_ns:x}"
        return resource.key.name[: NAME_LIMIT - len(number)].rstrip("-.") + number

    async def close(self, grace: float) -> None:
        """Give the events that wait `grace` seconds."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=grace)
            for task in late:
                task.cancel()

    async def _post(self, namespace: str, event: dict[str, object]) -> None:
        async with self._slots:
            try:
                await self._api.request(
                    "POST", f"/api/v1/namespaces/{namespace}/events", body=event
                )
            except Failure as failure:
                log.warning("Event %s could not be posted: %s", event["reason"], failure)


def _event(
    resource: Resource, event_name: str, type_: str, reason: str, message: str
) -> dict[str, object]:
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
