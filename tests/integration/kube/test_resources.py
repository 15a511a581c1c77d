"""The operator's own writes: the status as a whole, and its finalizer and no other."""

import json
from dataclasses import replace
from typing import Any

import pytest

from controlplane.kubernetes import KubernetesAPI
from coze_nats.core import names
from coze_nats.core.errors import StatusRefused
from coze_nats.core.resource import Resource, Stamp
from coze_nats.kube.api import Api, ApiServerError, Refused
from coze_nats.kube.cluster import Cluster, Forbidden
from coze_nats.kube.events import EventPoster
from coze_nats.kube.resources import Resources
from coze_nats.kube.session import Session
from coze_nats.kube.watches import Watches

READY = {
    "type": "Ready",
    "status": "True",
    "reason": "Converged",
    "message": "stream orders is as declared",
    "observedGeneration": 1,
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}
ANOTHER = "another.example.com/finalizer"


@pytest.fixture
async def writer(api: Api) -> Resources:
    return Resources(api, EventPoster(api), page=2)


async def test_a_status_is_written_under_our_own_name(writer: Resources, orders: Any) -> None:
    resource = orders.create()
    version = await writer.apply_status(resource, {"observedGeneration": 1, "conditions": [READY]})
    assert orders.document["status"] == {"observedGeneration": 1, "conditions": [READY]}
    assert orders.metadata["resourceVersion"] == version
    [ours] = [
        entry
        for entry in orders.metadata["managedFields"]
        if entry["manager"] == names.FIELD_MANAGER
    ]
    assert (ours["operation"], ours["subresource"]) == ("Apply", "status")


async def test_a_new_resource_has_no_status_but_for_those_who_wait(orders: Any) -> None:
    resource = orders.create()
    assert orders.document["status"] == names.UNSEEN
    assert resource.status == {}


async def test_what_a_status_leaves_out_is_removed(writer: Resources, orders: Any) -> None:
    resource = orders.create()
    await writer.apply_status(resource, {"observedGeneration": 1, "conditions": [READY]})
    await writer.apply_status(resource, {"observedGeneration": 2})
    assert orders.document["status"] == {"observedGeneration": 2}


async def test_the_same_status_again_is_no_new_version(writer: Resources, orders: Any) -> None:
    resource = orders.create()
    first = await writer.apply_status(resource, {"observedGeneration": 1})
    assert await writer.apply_status(resource, {"observedGeneration": 1}) == first


async def test_a_status_overrules_whoever_wrote_it_before(
    writer: Resources, orders: Any, apiserver: KubernetesAPI
) -> None:
    resource = orders.create()
    patch = json.dumps({"status": {"observedGeneration": 7}})
    namespace = f"--namespace={resource.key.namespace}"
    apiserver.kubectl(
        *("patch", "cozestream", "orders", namespace),
        *("--subresource=status", "--type=merge", f"--patch={patch}"),
    )
    await writer.apply_status(resource, {"observedGeneration": 1})
    assert orders.document["status"] == {"observedGeneration": 1}


async def test_the_status_of_what_is_gone_is_nobodys_business(
    writer: Resources, orders: Any
) -> None:
    resource = orders.create()
    orders.delete()
    assert await writer.apply_status(resource, {"observedGeneration": 1}) is None


async def test_what_is_gone_is_told_from_another_that_has_its_name(
    writer: Resources, orders: Any
) -> None:
    resource = orders.create()
    orders.delete()
    orders.create()
    assert await writer.apply_status(resource, {"observedGeneration": 1}) is None


async def test_every_character_arrives_in_a_status(writer: Resources, orders: Any) -> None:
    resource = orders.create()
    basic = [*range(0xD800), *range(0xE000, 0x10000)]
    beyond = [*range(0x10000, 0x110000, 0x11), 0x10FFFF]
    text = "".join(map(chr, [*basic, *beyond]))
    status = {"observedGeneration": 1, "effective": {"metadata": {"text": text}}}
    await writer.apply_status(resource, status)
    assert orders.document["status"] == status


@pytest.mark.parametrize(
    "status",
    [
        {"unheardOf": 1},
        {"conditions": [READY | {"message": "m" * 33_000}]},
        {"lastSequence": 2**64},
        {"created": "yesterday"},
        pytest.param(
            {"plan": "much" * 1_000_000},
            marks=pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning"),
        ),
    ],
    ids=["unknown", "too long", "too large a number", "no time", "too large"],
)
async def test_a_status_that_the_apiserver_never_takes_is_told_apart(
    writer: Resources, orders: Any, status: dict[str, Any]
) -> None:
    with pytest.raises(StatusRefused, match="The Kubernetes API server answered"):
        await writer.apply_status(orders.create(), status)


@pytest.mark.parametrize("others", [[], [ANOTHER]])
async def test_our_finalizer_is_put_on_beside_others(
    writer: Resources, orders: Any, others: list[str]
) -> None:
    found = await writer.add_finalizer(orders.create(finalizers=others), tuple(others))
    assert orders.metadata["finalizers"] == [*others, names.FINALIZER]
    assert found == Resource.from_body(orders.document)


async def test_no_finalizer_is_overwritten_that_has_come_meanwhile(
    writer: Resources, orders: Any
) -> None:
    resource = orders.create(finalizers=[ANOTHER])
    with pytest.raises(ApiServerError):
        await writer.add_finalizer(resource, ())
    with pytest.raises(ApiServerError):
        await writer.add_finalizer(replace(resource, uid="of another resource"), (ANOTHER,))
    assert orders.metadata["finalizers"] == [ANOTHER]


async def test_the_finalizer_of_what_is_gone_is_nobodys_business(
    writer: Resources, orders: Any
) -> None:
    resource = orders.create()
    orders.delete()
    assert await writer.add_finalizer(resource, ()) is None


async def test_only_our_finalizer_is_taken_off(writer: Resources, orders: Any) -> None:
    resource = orders.create(finalizers=[ANOTHER, names.FINALIZER])
    await writer.release_finalizer(resource, (ANOTHER, names.FINALIZER))
    assert orders.metadata["finalizers"] == [ANOTHER]
    await writer.release_finalizer(resource, (ANOTHER,))
    assert orders.metadata["finalizers"] == [ANOTHER]


async def test_taking_the_last_finalizer_off_completes_a_deletion(
    writer: Resources, orders: Any
) -> None:
    resource = orders.create(finalizers=[names.FINALIZER])
    orders.delete()
    await writer.release_finalizer(resource, (names.FINALIZER,))
    assert orders.document is None
    await writer.release_finalizer(resource, (names.FINALIZER,))


async def test_a_finalizer_stays_when_the_list_is_not_what_it_was(
    writer: Resources, orders: Any
) -> None:
    resource = orders.create(finalizers=[ANOTHER, names.FINALIZER])
    with pytest.raises(ApiServerError):
        await writer.release_finalizer(resource, (names.FINALIZER,))
    with pytest.raises(ApiServerError):
        await writer.release_finalizer(
            replace(resource, uid="of another resource"), (ANOTHER, names.FINALIZER)
        )
    assert orders.metadata["finalizers"] == [ANOTHER, names.FINALIZER]


async def test_all_resources_are_listed_over_many_pages(
    writer: Resources, resources: Any, namespace: str
) -> None:
    expected = {}
    for number in range(5):
        metadata = {"name": f"s{number}", "namespace": namespace}
        made = resources.create(
            {
                "apiVersion": names.API_VERSION,
                "kind": names.STREAM_KIND,
                "metadata": metadata,
                "spec": {},
            }
        )
        found = Resource.from_body(made.document)
        expected[found.key] = Stamp(found.uid, found.resource_version)
    assert await writer.list_stamps(names.STREAM_KIND, namespace) == expected
    assert (await writer.list_stamps(names.STREAM_KIND, None)).items() >= expected.items()
    assert await writer.list_stamps(names.CONSUMER_KIND, namespace) == {}


async def test_the_newest_version_counts_what_is_deleted_too(
    writer: Resources, orders: Any, namespace: str
) -> None:
    made = orders.create()
    for place in (namespace, None):
        newest = await writer.newest_version(names.STREAM_KIND, place)
        assert int(newest) >= int(made.resource_version)
    orders.delete()
    newest = await writer.newest_version(names.STREAM_KIND, namespace)
    assert int(newest) > int(made.resource_version)


async def test_an_event_tells_what_happened_to_which_resource(
    api: Api, orders: Any, resources: Any
) -> None:
    resource = orders.create()
    poster = EventPoster(api)
    poster.emit(resource, "Warning", "Retained", "x" * 2000)
    await poster.close(grace=10)
    [event] = resources.events(resource.key.namespace)
    assert event["type"] == "Warning"
    assert event["reason"] == "Retained"
    assert event["message"] == "x" * 1023 + "…"
    assert event["involvedObject"]["uid"] == resource.uid
    assert event["source"] == {"component": names.FIELD_MANAGER}
    assert event["firstTimestamp"]


async def test_events_have_names_in_the_order_of_what_happened(
    api: Api, orders: Any, resources: Any
) -> None:
    found = orders.create()
    longest = replace(
        found, uid="of another", key=found.key._replace(name=f"{'orders.' * 35}-orders")
    )
    poster = EventPoster(api)
    for number in range(5):
        # Of those that wait, the newest with the same reason is enough.
        poster.emit(found, "Normal", f"Reason{number}", str(number))
        poster.emit(longest, "Normal", f"Reason{number}", str(number))
    await poster.close(grace=10)
    events = sorted(
        resources.events(found.key.namespace), key=lambda item: item["metadata"]["name"]
    )
    for resource in (found, longest):
        name = resource.key.name
        told = [item for item in events if item["involvedObject"]["name"] == name]
        assert [item["message"] for item in told] == list("01234")


async def test_an_event_that_cannot_be_posted_is_only_logged(
    api: Api, orders: Any, caplog: pytest.LogCaptureFixture
) -> None:
    resource: Resource = orders.create()
    elsewhere = replace(resource, key=resource.key._replace(namespace="nowhere"))
    poster = EventPoster(api)
    poster.emit(elsewhere, "Normal", "Adopted", "it existed")
    await poster.close(grace=10)
    assert "Event Adopted could not be posted" in caplog.text


async def test_the_clusters_identity_is_that_of_kube_system(
    api: Api, apiserver: KubernetesAPI
) -> None:
    shown = apiserver.kubectl("get", "namespace", "kube-system", "-o=jsonpath={.metadata.uid}")
    assert await Cluster(api).identity() == shown.stdout
    assert await Cluster(api).missing_kinds() == []


async def test_a_missing_right_is_named_with_the_rule_that_grants_it(
    apiserver: KubernetesAPI, namespace: str
) -> None:
    apiserver.kubectl("create", "serviceaccount", "nobody", f"--namespace={namespace}")
    kubeconfig = apiserver.service_account_kubeconfig(namespace, "nobody")
    session = Session(Watches(), str(kubeconfig))
    try:
        with pytest.raises(Forbidden, match=r'resourceNames: \["kube-system"\].*--cluster-id'):
            await Cluster(Api(session)).identity()
        with pytest.raises(Refused):
            await Resources(Api(session), EventPoster(Api(session))).list_stamps(
                names.STREAM_KIND, None
            )
    finally:
        await session.close()
