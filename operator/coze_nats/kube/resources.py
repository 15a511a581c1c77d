"""The operator's own writes to its resources: the status and the finalizer."""

from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Literal

from coze_nats.core import names
from coze_nats.core.errors import StatusRefused
from coze_nats.core.resource import Key, Resource, Stamp
from coze_nats.kube.api import APPLY_PATCH, JSON_PATCH, Api, ApiServerError, Gone
from coze_nats.kube.events import EventPoster
from coze_nats.kube.watches import path_of

PAGE = 500

_FINALIZERS = "/metadata/finalizers"

_NEVER_TAKEN = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
_WORDS_OF_500 = ("failed to create typed patch object", "request is too large")
"""What the API server and etcd say of a status itself, with a 500."""

_METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class Resources:
    """Implements `coze_nats.ports.Kubernetes`, and what the controller needs besides."""

    def __init__(self, api: Api, events: EventPoster, *, page: int = PAGE) -> None:
        """`page` is how many resources are listed at once."""
        self._api = api
        self._events = events
        self._page = page

    async def apply_status(self, resource: Resource, status: Mapping[str, Any]) -> str | None:
        """Server-side apply the whole status.

        Returns the new resourceVersion, or None when the resource is gone meanwhile. Raises
        ApiServerError, or StatusRefused when it is of no use to try again. The apiserver ignores a
        uid here: should another resource have taken the name, it gets this status, which its own
        reconcile, due to its creation, puts right; and the one that is meant is gone.
        """
        kind, namespace, name = resource.key
        body = {
            "apiVersion": names.API_VERSION,
            "kind": kind,
            "metadata": {"namespace": namespace, "name": name},
            "status": status,
        }
        try:
            answer = await self._api.request(
                "PATCH",
                f"{_path(resource.key)}/status",
                body=body,
                content_type=APPLY_PATCH,
                params={"fieldManager": names.FIELD_MANAGER, "force": "true"},
            )
        except Gone:
            return None
        except ApiServerError as error:
            is_about_it = any(words in error.description for words in _WORDS_OF_500)
            if error.status in _NEVER_TAKEN or is_about_it:
                raise StatusRefused(error.description) from error
            raise
        metadata = answer["metadata"]
        return str(metadata["resourceVersion"]) if metadata["uid"] == resource.uid else None

    def emit(
        self, resource: Resource, type_: Literal["Normal", "Warning"], reason: str, message: str
    ) -> None:
        """Post an event about the resource, without waiting for it."""
        self._events.emit(resource, type_, reason, message)

    async def add_finalizer(
        self, resource: Resource, finalizers: tuple[str, ...]
    ) -> Resource | None:
        """Put the operator's finalizer on; `finalizers` is the list as it was last seen.

        Returns the resource as it is then, or None when it is gone meanwhile. Raises ApiServerError
        when there was no list and now there is: a watch event is about to tell of it.
        """
        patch: list[dict[str, Any]] = [
            {"op": "test", "path": "/metadata/uid", "value": resource.uid}
        ]
        if finalizers:
            patch.append({"op": "add", "path": f"{_FINALIZERS}/-", "value": names.FINALIZER})
        else:
            # Only null is equal to what isn't there; a list would be overwritten.
            patch.append({"op": "test", "path": _FINALIZERS, "value": None})
            patch.append({"op": "add", "path": _FINALIZERS, "value": [names.FINALIZER]})
        try:
            answer = await self._patch(resource, patch)
        except Gone:
            return None
        return Resource.from_body(answer)

    async def release_finalizer(self, resource: Resource, finalizers: tuple[str, ...]) -> None:
        """Take the operator's finalizer off; `finalizers` is the list as it was last seen.

        Raises ApiServerError when the list has changed since: a watch event is about to tell how.
        """
        if names.FINALIZER not in finalizers:
            return
        path = f"{_FINALIZERS}/{finalizers.index(names.FINALIZER)}"
        patch = [
            {"op": "test", "path": "/metadata/uid", "value": resource.uid},
            {"op": "test", "path": path, "value": names.FINALIZER},
            {"op": "remove", "path": path},
        ]
        with suppress(Gone):
            await self._patch(resource, patch)

    async def _patch(self, resource: Resource, patch: list[dict[str, Any]]) -> dict[str, Any]:
        return await self._api.request(
            "PATCH", _path(resource.key), body=patch, content_type=JSON_PATCH
        )

    async def list_stamps(self, kind: str, namespace: str | None) -> dict[Key, Stamp]:
        """All resources of a kind, in a namespace or (None) in all, without their content."""
        stamps: dict[Key, Stamp] = {}
        token = ""
        while True:
            answer = await self._list(kind, namespace, self._page, token)
            # An empty list of this form is null.
            for metadata in (item["metadata"] for item in answer["items"] or ()):
                key = Key(kind, metadata["namespace"], metadata["name"])
                stamps[key] = Stamp(metadata["uid"], metadata["resourceVersion"])
            if not (token := answer["metadata"].get("continue", "")):
                return stamps

    async def newest_version(self, kind: str, namespace: str | None) -> str:
        """The resourceVersion that a list has now: none of its resources has a newer one."""
        answer = await self._list(kind, namespace, 1)
        return str(answer["metadata"]["resourceVersion"])

    async def _list(
        self, kind: str, namespace: str | None, limit: int, token: str = ""
    ) -> dict[str, Any]:
        params = {"limit": str(limit)} | ({"continue": token} if token else {})
        return await self._api.request(
            "GET", path_of(kind, namespace), accept=_METADATA_ONLY, params=params
        )


def _path(key: Key) -> str:
    return f"{path_of(key.kind, key.namespace)}/{key.name}"
