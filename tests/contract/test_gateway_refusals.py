"""What servers refuse, on every version, and answers that no server should give."""

import json
from collections.abc import Callable
from typing import Any

import nats
import pytest
from nats.aio.msg import Msg

from controlplane.nats import NatsServer
from coze_nats.core.errors import (
    CapacityExceeded,
    Failure,
    Nonsense,
    Rejected,
    SubjectOverlap,
)
from coze_nats.core.refusals import explained
from coze_nats.jetstream.gateway import Gateway
from support.connections import gateway_to

STREAM: dict[str, Any] = {"name": "orders", "subjects": ["orders.>"], "storage": "memory"}
CONSUMER: dict[str, Any] = {"name": "worker", "durable_name": "worker", "ack_policy": "explicit"}
SECOND = 1_000_000_000


REFUSED_STREAMS: list[tuple[dict[str, Any], type[Failure], int | None]] = [
    ({"name": "other", "subjects": ["orders.new"]}, SubjectOverlap, 10065),
    ({"name": "other", "subjects": ["a.>", "a.b"]}, Rejected, 10052),
    ({"name": "other", "num_replicas": 3}, Rejected, 10074),
    ({"name": "other", "num_replicas": 9}, Rejected, None),
    ({"name": "other", "retention": "nonsense"}, Rejected, 10025),
    ({"name": "other", "max_age": 1.5}, Rejected, 10025),
    ({"name": "other", "mirror": {"name": "orders"}, "subjects": ["a"]}, Rejected, None),
    ({"name": "other", "max_age": 1}, Rejected, 10052),
    ({"name": "other", "max_bytes": 2**62}, CapacityExceeded, None),
]


@pytest.mark.parametrize("config, failure, err_code", REFUSED_STREAMS)
async def test_a_stream_that_the_server_refuses_is_classed_by_its_error_code(
    jetstream: Gateway, config: dict[str, Any], failure: type[Failure], err_code: int | None
) -> None:
    await jetstream.create_stream(STREAM)
    with pytest.raises(failure) as refusal:
        await jetstream.create_stream(config)
    assert err_code in {refusal.value.err_code, None}
    assert await jetstream.stream("other") is None


OUT_OF_RANGE = {"src": "a.*", "dest": "b.{{wildcard(2)}}"}
NO_FUNCTION = {"src": "a.*", "dest": "b.{{nonsense(1)}}"}
WITHIN = [{"src": "a.>", "dest": "b.>"}, {"src": "a.*", "dest": "c.{{wildcard(1)}}"}]

BLAMED: list[tuple[str, dict[str, Any]]] = [
    ("subjectTransform", {"subjects": ["a.*"], "subject_transform": OUT_OF_RANGE}),
    ("subjectTransform", {"subjects": ["a.*"], "subject_transform": NO_FUNCTION}),
    (
        "sources.subjectTransforms",
        {"sources": [{"name": "orders", "subject_transforms": [OUT_OF_RANGE]}]},
    ),
    (
        "sources.subjectTransforms",
        {"sources": [{"name": "orders", "subject_transforms": [NO_FUNCTION]}]},
    ),
    ("sources.subjectTransforms", {"sources": [{"name": "orders", "subject_transforms": WITHIN}]}),
    ("republish", {"subjects": ["a.*"], "republish": OUT_OF_RANGE}),
    ("maxMsgSize", {"sources": [{"name": "orders"}], "max_msg_size": 10}),
]
BLAMED_AT_CREATION: list[tuple[str, dict[str, Any]]] = [
    (
        "mirror.subjectTransforms",
        {"mirror": {"name": "orders", "subject_transforms": [OUT_OF_RANGE]}},
    ),
    (
        "mirror.subjectTransforms",
        {"mirror": {"name": "orders", "subject_transforms": [NO_FUNCTION]}},
    ),
    ("mirror.subjectTransforms", {"mirror": {"name": "orders", "subject_transforms": WITHIN}}),
    ("maxMsgSize", {"mirror": {"name": "orders"}, "max_msg_size": 10}),
]


@pytest.mark.parametrize("field, config", BLAMED + BLAMED_AT_CREATION)
async def test_a_stream_is_refused_for_good_with_the_field_that_is_wrong(
    jetstream: Gateway, field: str, config: dict[str, Any]
) -> None:
    await jetstream.create_stream({**STREAM, "max_msg_size": 100})
    with pytest.raises(Rejected) as refusal:
        await jetstream.create_stream({"name": "other", **config})
    assert explained(refusal.value).startswith(f"{field}: the server refuses it: ")


@pytest.mark.parametrize("field, config", BLAMED)
async def test_an_update_is_refused_for_good_with_the_field_that_is_wrong(
    jetstream: Gateway, field: str, config: dict[str, Any]
) -> None:
    await jetstream.create_stream({**STREAM, "max_msg_size": 100})
    await jetstream.create_stream({"name": "other"})
    with pytest.raises(Rejected) as refusal:
        await jetstream.update_stream({"name": "other", **config})
    assert explained(refusal.value).startswith(f"{field}: the server refuses it: ")


REFUSED_STREAM_UPDATES: list[tuple[dict[str, Any], int]] = [
    ({"storage": "file"}, 10052),
    ({"retention": "workqueue"}, 10052),
    ({"mirror": {"name": "elsewhere"}, "subjects": None}, 10055),
    ({"subjects": ["orders.>", "orders.new"]}, 10052),
    ({"deny_delete": False}, 10052),
]


@pytest.mark.parametrize("change, err_code", REFUSED_STREAM_UPDATES)
async def test_an_update_of_an_immutable_field_is_rejected(
    jetstream: Gateway, change: dict[str, Any], err_code: int
) -> None:
    created = await jetstream.create_stream({**STREAM, "deny_delete": True})
    with pytest.raises(Rejected) as refusal:
        await jetstream.update_stream({**created.config, **change})
    assert refusal.value.err_code == err_code
    assert refusal.value.description
    unchanged = await jetstream.stream("orders")
    assert unchanged is not None
    assert unchanged.config == created.config


REFUSED_CONSUMERS: list[tuple[dict[str, Any], int]] = [
    ({"backoff": [SECOND, SECOND], "max_deliver": 1}, 10116),
    ({"num_replicas": 3}, 10074),
    ({"ack_policy": "nonsense"}, 10025),
    ({"filter_subject": "orders.a", "filter_subjects": ["orders.b"]}, 10136),
    ({"filter_subjects": ["orders.*", "orders.a"]}, 10138),
    ({"deliver_policy": "by_start_sequence"}, 10094),
]


@pytest.mark.parametrize("change, err_code", REFUSED_CONSUMERS)
async def test_a_consumer_that_the_server_refuses_is_rejected(
    jetstream: Gateway, change: dict[str, Any], err_code: int
) -> None:
    await jetstream.create_stream(STREAM)
    with pytest.raises(Rejected) as refusal:
        await jetstream.create_consumer("orders", {**CONSUMER, **change})
    assert refusal.value.err_code == err_code
    assert await jetstream.consumer("orders", "worker") is None


@pytest.mark.parametrize(
    "change",
    [
        {"deliver_policy": "new"},
        {"ack_policy": "all"},
        {"deliver_subject": "deliver", "max_waiting": None},
    ],
)
async def test_an_update_of_an_immutable_field_of_a_consumer_is_rejected(
    jetstream: Gateway, change: dict[str, Any]
) -> None:
    await jetstream.create_stream(STREAM)
    created = await jetstream.create_consumer("orders", CONSUMER)
    with pytest.raises(Rejected) as refusal:
        await jetstream.update_consumer("orders", {**created.config, **change})
    assert refusal.value.err_code == 10012


async def test_a_configuration_that_does_not_fit_into_a_message_is_rejected(
    jetstream: Gateway,
) -> None:
    with pytest.raises(Rejected, match="maximum payload exceeded"):
        await jetstream.create_stream({**STREAM, "description": "x" * 2_000_000})


UNEXPECTED: list[tuple[bytes, Callable[[Gateway], Any]]] = [
    (b"", lambda gateway: gateway.stream("orders")),
    (b"nonsense", lambda gateway: gateway.stream("orders")),
    (b"[]", lambda gateway: gateway.stream("orders")),
    (b"{}", lambda gateway: gateway.stream("orders")),
    (b"{}", lambda gateway: gateway.streams()),
    (b'{"total": 1, "streams": [{"config": {}}]}', lambda gateway: gateway.streams()),
    (b"{}", lambda gateway: gateway.server()),
    (b"{}", lambda gateway: gateway.delete_stream("orders")),
    (b'{"success": false}', lambda gateway: gateway.delete_consumer("orders", "worker")),
    (b'{"error": {"code": 500}}', lambda gateway: gateway.create_stream(STREAM)),
    (b'{"error": "failed"}', lambda gateway: gateway.create_stream(STREAM)),
    (
        b'{"api": {"level": 4}, "paused": true}',
        lambda gateway: gateway.pause_consumer("orders", "worker", None),
    ),
]


@pytest.mark.parametrize("answer, call", UNEXPECTED)
async def test_an_answer_that_must_not_be_is_nonsense_and_not_a_crash(
    nats_server: NatsServer, answer: bytes, call: Callable[[Gateway], Any]
) -> None:
    impostor = await nats.connect(nats_server.url)

    async def respond(request: Msg) -> None:
        await request.respond(answer)

    await impostor.subscribe("impostor.>", cb=respond)
    await impostor.flush()
    async with gateway_to(nats_server.url, api_prefix="impostor") as gateway:
        with pytest.raises(Nonsense):
            await call(gateway)
    await impostor.close()


SECRET = "correct-horse-battery-staple"
NODES_OF_A_STREAM = {
    "config": {"name": "orders", "description": f"made by {SECRET}", "subjects": ["orders.>"]},
    "created": "2026-01-01T00:00:00Z",
    "cluster": {"name": SECRET.upper(), "leader": "".join(f"\\u{ord(c):04x}" for c in SECRET)},
}


async def test_an_answer_that_repeats_the_login_is_read_without_it(
    run_server: Callable[..., NatsServer],
) -> None:
    server = run_server(token=SECRET)
    impostor = await nats.connect(server.url, token=SECRET)
    refusal = {"code": 500, "err_code": 10052, "description": f"not for {SECRET}\n" + "x" * 30_000}
    answers = {
        "INFO": json.dumps(NODES_OF_A_STREAM).replace("\\\\u", "\\u"),
        "CREATE": json.dumps({"error": refusal}),
    }

    async def respond(request: Msg) -> None:
        await request.respond(answers[request.subject.split(".")[2]].encode())

    await impostor.subscribe("impostor.>", cb=respond)
    await impostor.flush()
    async with gateway_to(server.url, api_prefix="impostor", token=SECRET) as gateway:
        stream = await gateway.stream("orders")
        with pytest.raises(Rejected) as refused:
            await gateway.create_stream(STREAM)
    await impostor.close()
    assert stream is not None
    assert stream.config["description"] == "made by [hidden]"
    assert stream.raft.leader == "[hidden]"
    assert str(refused.value).startswith("not for [hidden] xxx")
    assert len(str(refused.value)) < 600
