"""Statuses that the API server refuses: a smaller one is written in their place, with a word.

Remembered in memory only: a new process offers the full status once more.
"""

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from coze_nats import metrics
from coze_nats.core import bounds
from coze_nats.core.conditions import reduced
from coze_nats.core.errors import StatusRefused
from coze_nats.core.resource import Key, Resource

log = logging.getLogger(__name__)

_SAID = 512
"""Characters of the API server's words that are passed on."""


class _Refused(NamedTuple):
    status: Mapping[str, Any]
    smaller: Mapping[str, Any]


class RefusedStatuses:
    """The last refused status of each resource, and what stands in its place."""

    def __init__(self) -> None:
        self._refused: dict[Key, _Refused] = {}

    def offered(self, resource: Resource) -> Mapping[str, Any]:
        """The status that the API server was offered last: its own, or the one that it refused."""
        refused = self._refused.get(resource.key)
        is_in_place = refused is not None and refused.smaller == resource.status
        return refused.status if refused and is_in_place else resource.status

    def replaced(
        self, resource: Resource, status: Mapping[str, Any], refusal: StatusRefused
    ) -> tuple[dict[str, Any], str]:
        """The smaller status in place of a refused one, and the words of an event; "" for none."""
        metrics.STATUS_REFUSALS.labels(resource.key.kind).inc()
        said = bounds.shortened(str(refusal), _SAID)
        log.error("%s gets a smaller status: %s", resource.key, said)
        is_told = resource.key in self._refused
        smaller = reduced(status, said)
        self._refused[resource.key] = _Refused(status, smaller)
        return smaller, "" if is_told else f"the status had to become smaller: {said}"

    def forget(self, key: Key) -> None:
        """The API server took a full status, or the resource is gone."""
        self._refused.pop(key, None)
