"""An account that two namespaces share, and somebody with the role `edit` in one of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import nats

from controlplane.kubernetes import KubernetesAPI
from controlplane.nats import NatsServer
from coze_nats.core import names
from support.connections import gateway_to
from support.tenant import Tenant

STREAM, CONSUMER = names.STREAM_KIND, names.CONSUMER_KIND
EDITOR = "mallory"
ROLES = ("coze-nats-edit", "coze-nats-view")
MESSAGES = 20

Spec = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Account:
    """One account of one server, and who declares in it.

    Attributes:
        shop: who has something to lose.
        other: the namespace in which the editor may declare.
    """

    server: NatsServer
    kubernetes: KubernetesAPI
    shop: Tenant
    other: Tenant

    def let_edit(self) -> None:
        """Give the editor what the role `edit` has of our kinds, in one namespace and no other."""
        for role in ROLES:
            self.kubernetes.kubectl(
                *("create", "rolebinding", role, f"--clusterrole={role}", f"--user={EDITOR}"),
                f"--namespace={self.other.namespace}",
            )

    def edit(self, kind: str, name: str, spec: Spec) -> str:
        """Have the editor apply a resource; returns why not, "" if it was taken."""
        document = json.dumps(self.other.resource(kind, name, spec))
        answer = self.kubernetes.kubectl(
            *(f"--as={EDITOR}", "apply", "--filename=-"), input=document, check=False
        )
        return answer.stderr if answer.returncode else ""

    async def publish(self, *subjects: str, count: int = 1) -> None:
        client = await nats.connect(self.server.url)
        for subject in subjects:
            for _ in range(count):
                await client.publish(subject, b"{}")
        await client.flush()
        await client.close()

    async def streams(self) -> dict[str, tuple[Any, ...]]:
        """What each stream is and holds, and what its consumers have done."""
        async with gateway_to(self.server.url) as gateway:
            found = {}
            for name, live in (await gateway.streams()).found.items():
                consumers = (await gateway.consumers(name)).found
                done = tuple(
                    (each.name, each.config, each.pending, each.ack_pending, each.acknowledged)
                    for _, each in sorted(consumers.items())
                )
                found[name] = (live.config, live.messages, live.last_sequence, done)
            return found
