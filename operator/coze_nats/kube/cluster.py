"""What the operator asks the cluster before it starts: which cluster, and are the CRDs there."""

from coze_nats.core import names
from coze_nats.kube.api import Api, Gone, Refused


class Forbidden(Exception):
    """A right is missing without which the operator can't start; the message says what to grant."""


class Cluster:
    """Facts that hold for the whole cluster."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def identity(self) -> str:
        """The UID of namespace kube-system, which lives exactly as long as the cluster.

        Raises Forbidden when the operator may not read that namespace, else ApiServerError.
        """
        try:
            namespace = await self._api.request("GET", "/api/v1/namespaces/kube-system")
        except Refused as refusal:
            raise Forbidden(
                "The cluster's identity can't be read, and without it no stream can be marked as "
                f"owned. {refusal}. Grant the operator `get` on namespace kube-system (resources: "
                '["namespaces"], resourceNames: ["kube-system"], verbs: ["get"]), or name the '
                "cluster with --cluster-id or COZE_NATS_CLUSTER_ID"
            ) from refusal
        return str(namespace["metadata"]["uid"])

    async def missing_kinds(self) -> list[str]:
        """The kinds that the apiserver doesn't serve (yet): their CRDs are not installed."""
        try:
            answer = await self._api.request("GET", f"/apis/{names.API_VERSION}")
        except Gone:
            return sorted(names.PLURALS)
        served = {resource["kind"] for resource in answer["resources"]}
        return sorted(names.PLURALS.keys() - served)
