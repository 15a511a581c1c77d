"""The apiserver refuses what the newest nats-server refuses, and nothing that anybody needs.

Every case of the rules is put to a real server, past the apiserver. Where the server takes what a
rule refuses, the case says what the server makes of it.
"""

import pytest

from coze_nats.core.errors import Rejected
from coze_nats.jetstream.gateway import Gateway
from support import convergence
from support.rules import CASES, STREAM, Case
from support.schema import Spec

pytestmark = [
    pytest.mark.parametrize("nats_server", ["2.15.1"], indirect=True, scope="session"),
    pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys()),
]
ORDERS = {"name": "orders", "subjects": ["a", "a.*", "b", "elsewhere"]}


async def test_a_server_refuses_the_same_or_the_case_says_what_it_does(
    jetstream: Gateway, case: Case
) -> None:
    taken = [spec for spec in case.refused if await _takes(jetstream, case, spec)]
    assert bool(taken) == bool(case.lenient), taken


async def test_a_server_takes_what_passes(jetstream: Gateway, case: Case) -> None:
    for spec in case.accepted:
        if spec.get("sealed") or spec.get("replicas", 1) > 1:
            continue  # a stream is sealed later, and one server has no replicas
        assert await _takes(jetstream, case, spec), spec


async def _takes(jetstream: Gateway, case: Case, spec: Spec) -> bool:
    """Whether an empty server creates the object; afterwards it is empty again."""
    named = {key: value for key, value in spec.items() if key not in ("streamRef", "streamName")}
    try:
        if case.kind == STREAM:
            stream = convergence.stream(spec.get("name", case.name), spec)
            await jetstream.create_stream(stream.declared)
        else:
            await jetstream.create_stream(ORDERS)
            consumer = convergence.consumer("orders", spec.get("name", case.name), named)
            await jetstream.create_consumer("orders", consumer.declared)
    except Rejected:
        return False
    finally:
        for name in (await jetstream.streams()).found:
            await jetstream.delete_stream(name)
    return True
