"""A namespace on a real API server: declare in it, and look at what becomes of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol

from coze_nats.core import names
from coze_nats.core.conditions import condition
from support.eventually import eventually_async

Json = Mapping[str, Any]


class Resources(Protocol):
    """The part of the shared fixture `resources` that is used here."""

    def create(self, resource: Json, *, dry_run: bool = False) -> Any: ...
    def replace(self, resource: Json, *, dry_run: bool = False) -> Any: ...
    def delete(self, resource: Json) -> Any: ...
    def get(self, resource: Json) -> Any: ...
    def all_of(self, kind: str, namespace: str) -> list[dict[str, Any]]: ...
    def release(self, resource: Json) -> Any: ...
    def create_namespace(self, name: str) -> None: ...
    def events(self, namespace: str) -> list[dict[str, Any]]: ...


@dataclass(slots=True)
class Tenant:
    """One namespace: declare in it, and look at what becomes of it."""

    namespace: str
    client: Resources

    def resource(self, kind: str, name: str, spec: Json) -> dict[str, Any]:
        metadata = {"name": name, "namespace": self.namespace}
        return {
            "apiVersion": names.API_VERSION,
            "kind": kind,
            "metadata": metadata,
            "spec": dict(spec),
        }

    def apply(self, kind: str, name: str, /, **spec: Any) -> None:
        """Declare the resource anew; what the spec leaves out is unset."""
        wanted = self.resource(kind, name, spec)
        found = self.client.get(wanted)
        if not found.accepted:
            verdict = self.client.create(wanted)
        else:
            verdict = self._change(wanted, lambda found: {**wanted, "metadata": found["metadata"]})
        assert verdict.accepted, verdict.message

    def stream(self, name: str, /, **spec: Any) -> None:
        self.apply(names.STREAM_KIND, name, **spec)

    def consumer(self, name: str, /, **spec: Any) -> None:
        self.apply(names.CONSUMER_KIND, name, **spec)

    def annotate(self, kind: str, name: str, **annotations: str) -> None:
        """Set annotations of the operator's own prefix; `_` stands for `-`."""
        keys = {f"{names.GROUP}/{key.replace('_', '-')}": v for key, v in annotations.items()}

        def annotated(found: Json) -> Json:
            metadata = found["metadata"]
            both = {**metadata.get("annotations", {}), **keys}
            return {**found, "metadata": {**metadata, "annotations": both}}

        verdict = self._change(self.resource(kind, name, {}), annotated)
        assert verdict.accepted, verdict.message

    def _change(self, resource: Json, change: Callable[[Json], Json]) -> Any:
        """Replace a resource by what `change` makes of it, also while the operator writes to it."""
        while True:
            verdict = self.client.replace(change(self.client.get(resource).document))
            if verdict.status != HTTPStatus.CONFLICT:
                return verdict

    def delete(self, kind: str, name: str) -> None:
        assert self.client.delete(self.resource(kind, name, {})).accepted

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """The resource, or {} when it is gone."""
        found = self.client.get(self.resource(kind, name, {}))
        return dict(found.document) if found.accepted else {}

    def status(self, kind: str, name: str) -> dict[str, Any]:
        return dict(self.get(kind, name).get("status") or {})

    async def ready(self, kind: str, name: str, within: float = 60) -> dict[str, Any]:
        """Its status once it is Ready for the spec that it has now."""
        return await self.reports(kind, name, "Ready", "Converged", within)

    async def stalled(self, kind: str, name: str, reason: str) -> str:
        """The message once it is Stalled for that reason."""
        status = await self.reports(kind, name, "Stalled", reason)
        ready = condition(status, "Ready")
        assert ready
        assert ready["status"] == "False"
        return str(ready["message"])

    async def held(self, kind: str, name: str, reason: str) -> str:
        """The message once it is not Ready for that reason, with its spec of now."""

        async def look() -> str:
            resource = self.get(kind, name)
            found = condition(resource.get("status") or {}, "Ready") or {}
            generation = resource.get("metadata", {}).get("generation")
            is_now = found.get("observedGeneration") == generation
            matches = is_now and (found["status"], found["reason"]) == ("False", reason)
            return str(found["message"]) if matches else ""

        return await eventually_async(look, 60, f"{kind} {name}: {reason}")

    async def reports(
        self, kind: str, name: str, type_: str, reason: str, within: float = 60
    ) -> dict[str, Any]:
        """Its status once that condition is true, for that reason and for the spec of now."""

        async def look() -> dict[str, Any]:
            resource = self.get(kind, name)
            status = resource.get("status") or {}
            found = condition(status, type_) or {}
            generation = resource.get("metadata", {}).get("generation")
            matches = (
                found.get("status") == "True"
                and found["reason"] == reason
                and found["observedGeneration"] == generation == status["observedGeneration"]
            )
            return status if matches else {}

        try:
            return await eventually_async(look, within, f"{kind} {name}: {type_} {reason}")
        except AssertionError as error:
            raise AssertionError(f"{error}; status: {self.status(kind, name)}") from error

    async def gone(self, kind: str, name: str, within: float = 60) -> None:
        async def look() -> bool:
            return not self.get(kind, name)

        await eventually_async(look, within, f"the end of {kind} {name}")

    def told(self, name: str, reason: str) -> list[str]:
        """The messages of the events so far about a resource for that reason."""
        return [
            item["message"]
            for item in self.client.events(self.namespace)
            if item["involvedObject"]["name"] == name and item["reason"] == reason
        ]

    async def event(self, name: str, reason: str, within: float = 60) -> str:
        """The message of the first event about a resource for that reason."""

        async def look() -> list[str]:
            return self.told(name, reason)

        return (await eventually_async(look, within, f"event {reason} about {name}"))[0]
