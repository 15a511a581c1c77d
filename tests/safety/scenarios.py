"""What takes an operator several calls, one scenario for each way to be cut off in the middle."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from coze_nats.core.resource import Key
from safety import ground
from safety.ground import ALL_LEFT, IN_MEMORY, MESSAGES, NOT_ACKNOWLEDGED, ORDERS, WORK, Specs, Step

REF = {"streamRef": {"name": "orders"}}
RECREATE = {"replacement": "Recreate"}
RECREATE_ALL = {**RECREATE, "dataLoss": "Allow"}


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Something that takes the operator several calls.

    Attributes:
        before: what is declared, and has converged, when it begins; `meanwhile` happens then.
        declared: what is declared afterwards. Killed is who brings that about.
        deleted: which resources are deleted instead.
        afterwards: what is declared after the death, when that is something else again.
        messages: how many the stream holds in the end; None: it isn't there.
        left: the messages that the consumer still delivers in the end; None: it isn't there.
        at_most: how often a call may have changed JetStream, where that matters; of creations,
            how many objects may have been made.
        is_open: whether messages can be published, and are delivered, in the end.
        is_owned: whether what is there in the end belongs to its resources.
        events: how often an event may have been posted, at least and at most; others: never, but
            Recovered. A death between telling and noting it down makes it told once more.
    """

    before: Specs = field(default_factory=dict)
    meanwhile: Step = ground.nothing
    declared: Specs = field(default_factory=dict)
    deleted: tuple[Key, ...] = ()
    afterwards: Specs | None = None
    messages: int | None = 0
    left: list[int] | None = None
    at_most: Mapping[str, int] = field(default_factory=dict)
    events: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    is_open: bool = True
    is_owned: bool = True


ONE_STREAM = {"create_stream": 1, "delete_stream": 1}
ONE_CONSUMER = {"create_consumer": 1, "delete_consumer": 1}
PLAIN: Specs = {ORDERS: {**IN_MEMORY, "subjects": ["orders"]}, WORK: REF}
KEPT = {**PLAIN, ORDERS: {**PLAIN[ORDERS], "denyDelete": True}}
"""As PLAIN, with a stream that NATS can't change to it in place."""
FAR = "2199-01-01T00:00:00Z"

SCENARIOS = {
    "create a stream and its consumer": Scenario(
        declared=PLAIN, left=[], at_most={"create_stream": 1, "create_consumer": 1}
    ),
    "seal a stream and pause its consumer": Scenario(
        before=PLAIN,
        declared={
            ORDERS: {**IN_MEMORY, "subjects": ["orders"], "sealed": True},
            WORK: {**REF, "pauseUntil": FAR},
        },
        left=[],
        is_open=False,
    ),
    "update both": Scenario(
        before=PLAIN,
        meanwhile=ground.publish_and_work,
        declared={
            ORDERS: {**IN_MEMORY, "subjects": ["orders", "more"], "maxMsgs": 99},
            WORK: {**REF, "ackWait": "5s", "maxDeliver": 7},
        },
        messages=MESSAGES,
        left=NOT_ACKNOWLEDGED,
        at_most={"update_stream": 1, "update_consumer": 1},
    ),
    "change and pause a consumer": Scenario(
        before=PLAIN,
        declared={**PLAIN, WORK: {**REF, "maxDeliver": 7, "pauseUntil": FAR}},
        left=[],
        is_open=False,
        at_most={"update_consumer": 1, "pause_consumer": 1},
    ),
    "resume a consumer": Scenario(
        before={**PLAIN, WORK: {**REF, "pauseUntil": FAR}},
        declared=PLAIN,
        left=[],
        at_most={"pause_consumer": 1},
    ),
    "recreate an empty stream": Scenario(
        before=KEPT,
        declared={
            ORDERS: {**IN_MEMORY, "subjects": ["orders"], "policies": RECREATE},
            WORK: {**REF, "policies": {"missing": "Hold"}},
        },
        left=[],
        at_most={**ONE_STREAM, "create_consumer": 1},
        events={"Replaced": (0, 1), "Recreated": (0, 1)},
    ),
    "recreate a stream with its messages": Scenario(
        before=KEPT,
        meanwhile=ground.publish_and_work,
        declared={
            ORDERS: {**IN_MEMORY, "subjects": ["orders"], "policies": RECREATE_ALL},
            WORK: REF,
        },
        left=[],
        at_most={**ONE_STREAM, "create_consumer": 1},
        events={"Replaced": (0, 1), "Recreated": (0, 1)},
    ),
    "recreate a consumer where it was": Scenario(
        before=PLAIN,
        meanwhile=ground.publish_and_work,
        declared={**PLAIN, WORK: {**REF, "replayPolicy": "original", "policies": RECREATE}},
        messages=MESSAGES,
        left=NOT_ACKNOWLEDGED,
        at_most=ONE_CONSUMER,
        events={"Replaced": (0, 1)},
    ),
    "recreate a consumer from the start": Scenario(
        before=PLAIN,
        meanwhile=ground.publish_and_work,
        declared={
            **PLAIN,
            WORK: {
                **REF,
                "replayPolicy": "original",
                "policies": {**RECREATE, "position": "Reset"},
            },
        },
        messages=MESSAGES,
        left=ALL_LEFT,
        at_most=ONE_CONSUMER,
        events={"Replaced": (0, 1)},
    ),
    "recreate both": Scenario(
        before=KEPT,
        meanwhile=ground.publish_and_work,
        declared={
            ORDERS: {**IN_MEMORY, "subjects": ["orders"], "policies": RECREATE_ALL},
            WORK: {**REF, "replayPolicy": "original", "policies": RECREATE},
        },
        left=[],
        at_most={**ONE_STREAM, "create_consumer": 2, "delete_consumer": 1},
        events={"Replaced": (0, 2), "Recreated": (0, 1)},
    ),
    "call off the replacement of a consumer": Scenario(
        before=PLAIN,
        meanwhile=ground.publish_and_work,
        declared={**PLAIN, WORK: {**REF, "replayPolicy": "original", "policies": RECREATE}},
        afterwards={**PLAIN, WORK: {**REF, "policies": RECREATE}},
        messages=MESSAGES,
        left=NOT_ACKNOWLEDGED,
        at_most={"create_consumer": 2, "delete_consumer": 2},
        events={"Replaced": (0, 2)},
    ),
    "recreate the stream after a death over its consumer": Scenario(
        before=KEPT,
        meanwhile=ground.publish_and_work,
        declared={**KEPT, WORK: {**REF, "replayPolicy": "original", "policies": RECREATE}},
        afterwards={
            ORDERS: {**IN_MEMORY, "subjects": ["orders"], "policies": RECREATE_ALL},
            WORK: {**REF, "replayPolicy": "original", "policies": RECREATE},
        },
        left=[],
        at_most={**ONE_STREAM, "create_consumer": 2, "delete_consumer": 1},
        events={"Replaced": (0, 2), "Recreated": (0, 1)},
    ),
    "adopt a stream and a consumer as they are": Scenario(
        meanwhile=ground.make_foreign_pair,
        declared={ORDERS: {**IN_MEMORY, "subjects": ["orders"], "maxMsgs": 50}, WORK: REF},
        messages=MESSAGES,
        left=NOT_ACKNOWLEDGED,
        at_most={"update_stream": 0, "update_consumer": 0},
        events={"Adopted": (0, 2)},
        is_owned=False,
    ),
    "adopt a stream and change it": Scenario(
        meanwhile=ground.make_foreign_stream,
        declared={
            ORDERS: {
                **IN_MEMORY,
                "subjects": ["orders"],
                "maxMsgs": 60,
                "policies": {"adoption": "Always"},
            }
        },
        messages=MESSAGES,
        at_most={"update_stream": 1},
        events={"Adopted": (0, 1)},
        is_owned=False,
    ),
    "adopt a stream and recreate it": Scenario(
        meanwhile=ground.make_foreign_empty_stream,
        declared={
            ORDERS: {
                **IN_MEMORY,
                "subjects": ["orders"],
                "policies": {**RECREATE, "adoption": "Always"},
            }
        },
        at_most=ONE_STREAM,
        events={"Replaced": (0, 1)},
    ),
    "release a stream that holds messages": Scenario(
        before={ORDERS: {**IN_MEMORY, "subjects": ["orders"]}},
        meanwhile=ground.publish,
        deleted=(ORDERS,),
        messages=MESSAGES,
        events={"Retained": (1, 1)},
        is_owned=False,
    ),
    "release both": Scenario(
        before={
            ORDERS: {**IN_MEMORY, "subjects": ["orders"], "policies": {"deletion": "Retain"}},
            WORK: {**REF, "policies": {"deletion": "Retain"}},
        },
        meanwhile=ground.publish_and_work,
        deleted=(ORDERS, WORK),
        messages=MESSAGES,
        left=NOT_ACKNOWLEDGED,
        events={"Retained": (2, 2)},
        is_owned=False,
    ),
    "release an interest stream and the consumer that it keeps messages for": Scenario(
        before={ORDERS: {**PLAIN[ORDERS], "retention": "interest"}, WORK: REF},
        meanwhile=ground.publish_and_work,
        deleted=(ORDERS, WORK),
        messages=len(NOT_ACKNOWLEDGED),
        left=NOT_ACKNOWLEDGED,
        events={"Retained": (2, 2)},
        is_owned=False,
    ),
    "delete an empty stream and its consumer": Scenario(
        before=PLAIN, deleted=(ORDERS, WORK), messages=None, at_most={"delete_stream": 1}
    ),
    "delete a stream with its messages": Scenario(
        before={ORDERS: {**IN_MEMORY, "subjects": ["orders"], "policies": {"deletion": "Delete"}}},
        meanwhile=ground.publish,
        deleted=(ORDERS,),
        messages=None,
        at_most={"delete_stream": 1},
    ),
    "delete a consumer": Scenario(
        before=PLAIN,
        meanwhile=ground.publish,
        declared={ORDERS: PLAIN[ORDERS]},
        deleted=(WORK,),
        messages=MESSAGES,
        at_most={"delete_consumer": 1},
    ),
    "restore a stream that somebody deleted": Scenario(
        before=PLAIN,
        meanwhile=ground.delete_stream_by_hand,
        declared=PLAIN,
        left=[],
        at_most={"create_stream": 1, "create_consumer": 1},
        events={"DataLossDetected": (1, 1), "Recreated": (0, 2)},
    ),
    "restore a consumer that somebody deleted": Scenario(
        before=PLAIN,
        meanwhile=ground.delete_consumer_by_hand,
        declared=PLAIN,
        left=[],
        at_most={"create_consumer": 1},
        events={"Recreated": (0, 1)},
    ),
    "put stripped owners back": Scenario(
        before=PLAIN,
        meanwhile=ground.strip_owners,
        declared=PLAIN,
        left=[],
        at_most={"update_stream": 1, "update_consumer": 1},
    ),
}
