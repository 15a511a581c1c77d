"""A Kubernetes cluster with its resources, and what follows from what they declare."""

from collections.abc import Mapping

from coze_nats.core.desired import Desired, Target
from coze_nats.core.intent import Waiting, intent, target_of
from coze_nats.core.names import EventReason
from coze_nats.core.policies import Policies, policies_of
from coze_nats.core.references import stream_key
from coze_nats.core.resource import Key, Resource
from fakes.kubernetes import FakeKubernetes


class Cluster:
    """What is declared, under the operator's default policies; knows nothing of JetStream.

    Attributes:
        kubernetes: what the apiserver stores.
    """

    def __init__(self, cluster_id: str, defaults: Mapping[str, str]) -> None:
        self.id = cluster_id
        self.defaults = defaults
        self.kubernetes = FakeKubernetes()

    @property
    def resources(self) -> list[Resource]:
        return list(self.kubernetes.resources.values())

    def get(self, key: Key | None) -> Resource | None:
        return self.kubernetes.resources.get(key) if key else None

    def owner(self, resource: Resource) -> str:
        """The resource, as it stands in metadata."""
        return f"{self.id}/{resource.key.namespace}/{resource.key.name}"

    def policies(self, resource: Resource) -> Policies:
        return policies_of(resource.key.kind, resource.spec.get("policies"), self.defaults)

    def stream_of(self, resource: Resource) -> Resource | None:
        """The CozeStream of a CozeConsumer."""
        return self.get(stream_key(resource))

    def desired(self, resource: Resource) -> Desired | Waiting:
        return intent(resource, self.stream_of(resource), None)

    def target(self, resource: Resource) -> Target | None:
        return target_of(resource, self.stream_of(resource))

    def consumers_on(self, stream: str) -> list[Resource]:
        """The CozeConsumers of a stream in JetStream."""
        found = []
        for resource in self.resources:
            target = self.target(resource)
            if target and target.consumer is not None and target.stream == stream:
                found.append(resource)
        return found

    def rivals(self, resource: Resource, target: Target) -> list[Resource]:
        """The resources that may adopt the same object, and come first."""
        return [
            other
            for other in self.resources
            if other.key.kind == resource.key.kind
            and other.key < resource.key
            and self.target(other) == target
            and self.policies(other).adoption != "Never"
            and not other.deleting
            and not other.spec.get("suspend")
        ]

    def recorders(self, resource: Resource, target: Target) -> list[Resource]:
        """The other resources whose status tells of an object of that name, be it another one."""
        return [
            other
            for other in self.resources
            if other.key.kind == resource.key.kind
            and other.key != resource.key
            and self.target(other) == target
            and other.status.get("created")
        ]

    def records(self, stream: str) -> bool:
        """Whether the status of a CozeStream tells of a stream of that name, be it another one."""
        return any(
            resource.status.get("created") and self.target(resource) == Target(stream)
            for resource in self.resources
        )

    def tells_of(self, target: Target, *reasons: EventReason) -> bool:
        """Whether one of these events was posted about an object in JetStream."""
        return any(
            event.reason in reasons and event.message.startswith(f"{target} ")
            for event in self.kubernetes.events
        )
