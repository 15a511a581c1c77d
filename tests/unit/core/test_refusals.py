"""What servers refuse, in their words → the field that is meant, and a remedy that can be done."""

from typing import Any

import pytest

from coze_nats.core import names
from coze_nats.core.errors import CapacityExceeded, Failure, Rejected, from_api_error
from coze_nats.core.judgement import judged
from coze_nats.core.refusals import BY_CODE, BY_PHRASE, explained
from support import schema

INVALID = 10052
SAID: dict[str, str] = {
    "stream name is required and can not contain '.', '*', '>', '\\', '/'": "name",
    "stream name is too long, maximum allowed is 255": "name",
    "consumer durable name can not contain '.', '*', '>', '\\', '/'": "name",
    "consumer name can not contain '.', '*', '>', '\\', '/'": "name",
    "stream description is too long, maximum allowed is 4096": "description",
    "stream metadata exceeds maximum size of 131072 bytes": "metadata",
    "invalid retention": "retention",
    "invalid discard policy": "discard",
    "invalid compression": "compression",
    "invalid storage type": "storage",
    "maximum replicas is 5": "replicas",
    "max age can not be negative": "maxAge",
    "max age needs to be >= 100ms": "maxAge",
    "duplicates window can not be negative": "duplicateWindow",
    "duplicates window can not be larger then max age": "duplicateWindow",
    "duplicates window can not be larger then server limit of 1m0s": "duplicateWindow",
    "duplicates window needs to be >= 100ms": "duplicateWindow",
    "roll-ups require the purge permission": "allowRollup",
    "counter stream cannot use discard new": "discard",
    "counter stream cannot use message TTLs": "allowMsgTtl",
    "counter stream cannot use message schedules": "allowMsgSchedules",
    "counter stream can only use limits retention": "retention",
    "discard new per subject requires discard new policy to be set": "discardPerSubject",
    "discard new per subject requires max msgs per subject > 0": "discardPerSubject",
    "subject delete marker TTL must be at least 1 second": "subjectDeleteMarkerTtl",
    "subject delete marker TTL must not be negative": "subjectDeleteMarkerTtl",
    "subject delete marker cannot be set if message TTLs are disabled": "subjectDeleteMarkerTtl",
    "subject delete marker cannot be set if roll-ups are disabled": "subjectDeleteMarkerTtl",
    "subject delete markers forbidden on mirrors": "subjectDeleteMarkerTtl",
    "message scheduling cannot use discard new": "discard",
    "message scheduling cannot be set if roll-ups are disabled": "allowRollup",
    "async persist mode is only supported on file storage": "persistMode",
    "async persist mode is not supported on replicated streams": "persistMode",
    "async persist mode is not supported with atomic batch publish": "persistMode",
    'stream external api prefix "a.*" must be a valid subject without wildcards': (
        "sources.external.apiPrefix"
    ),
    "detected cycle": "sources",
    "invalid subject": "subjects",
    "duplicate subjects detected": "subjects",
    'subject "a.*" overlaps with "a.b"': "subjects",
    "stream needs at least one configured subject or be a source/mirror": "subjects",
    "capturing all subjects requires no-ack to be true": "noAck",
    "capturing all subjects requires replicas of 1": "replicas",
    "subjects that overlap with jetstream api require no-ack to be true": "subjects",
    "subjects that overlap with system api require no-ack to be true": "subjects",
    "stream configuration for republish destination forms a cycle": "republish",
    "stream configuration for republish with transform from 'a.*' to 'b.*' not valid": "republish",
    "stream configuration for republish from 'a.*' to 'b.*': invalid mapping": "republish",
    "stream republish transform from 'a.*' to 'b.*': invalid subject": "republish",
    "stream configuration for subject transform from 'a' to 'b.*': bad": "subjectTransform",
    "stream subject transform from 'a' to 'b.*': invalid": "subjectTransform",
    "invalid subject transform source 'a..b' for the mirror: invalid subject": (
        "mirror.subjectTransforms"
    ),
    "subject filter 'a..b' for the mirror invalid subject": "mirror",
    "subject transform from 'a' to 'b.*' for the mirror: invalid": "mirror.subjectTransforms",
    "subject filter 'a..b' for the source: invalid subject": "sources.subjectTransforms",
    "subject transform from 'a' to 'b.*' for the source: bad": "sources.subjectTransforms",
    "change to limits violates consumers: reader": "consumerLimits",
    "stream configuration update can not change MaxConsumers": "maxConsumers",
    "stream configuration update can not change storage type": "storage",
    "stream configuration update can not change retention policy to/from workqueue": "retention",
    "stream configuration update can not unseal a sealed stream": "sealed",
    "stream configuration update can not cancel deny message deletes": "denyDelete",
    "stream configuration update can not cancel deny purge": "denyPurge",
    "stream configuration update can not change message counter setting": "allowMsgCounter",
    "stream configuration update can not change persist mode": "persistMode",
    "message TTL status can not be disabled": "allowMsgTtl",
    "message schedules can not be disabled": "allowMsgSchedules",
    "flow control ack policy heartbeat needs to be 1s": "ackPolicy",
    "deliver policy can not be updated": "deliverPolicy",
    "start sequence can not be updated": "optStartSeq",
    "start time can not be updated": "optStartTime",
    "ack policy can not be updated": "ackPolicy",
    "replay policy can not be updated": "replayPolicy",
    "storage type can not be updated": "memStorage",
    "heart beats can not be updated": "idleHeartbeat",
    "flow control can not be updated": "flowControl",
    "max waiting can not be updated": "maxWaiting",
    "can not update pull consumer to push based": "deliverSubject",
    "can not update push consumer to pull based": "deliverSubject",
}
"""What nats-server 2.10 to 2.15 refuse a configuration with by words alone (10052, 10049, 10012).

Read in checkStreamCfg, configUpdateCheck, checkConsumerCfg and updateConfig.
"""


PLACES = {
    ".".join(part for part in found.path if part not in ("[]", "{}"))
    for kind in (names.STREAM_KIND, names.CONSUMER_KIND)
    for found in schema.fields(kind)
}
REMEDIES = [*((str(code), *each) for code, each in BY_CODE.items()), *BY_PHRASE]


@pytest.mark.parametrize("words, field", SAID.items())
def test_what_a_server_refuses_in_words_is_blamed_on_the_field(words: str, field: str) -> None:
    assert explained(Rejected(words, INVALID)).startswith(f"{field}: the server refuses it: ")


def test_every_phrase_is_one_that_servers_say_or_said() -> None:
    """Those that no refusal in the table needs are of limits that servers put into words."""
    needed = {next(phrase for phrase, *_ in BY_PHRASE if phrase in words.lower()) for words in SAID}
    others = {phrase for phrase, *_ in BY_PHRASE} - needed
    assert others <= {
        "duplicate window",
        "max request batch",
        "max ack pending",
        "mapping",
        "subject transform for source: ",
        "replicas",
        "counter stream cannot use",
    }


@pytest.mark.parametrize("said, fields, remedy", REMEDIES, ids=lambda value: value[:40])
def test_a_remedy_names_fields_of_the_spec_and_something_that_can_be_done(
    said: str, fields: str, remedy: str
) -> None:
    for field in fields.split("|"):
        assert any(f"{place}.".startswith(f"{field}.") for place in PLACES), said
        if field == "name":
            assert remedy.startswith("delete this resource and create one")
    assert "see the page" not in remedy


@pytest.mark.parametrize(
    "failure, spec, field",
    [
        (from_api_error(10021, "overlaps"), {"mirror": {}}, "mirror.external.apiPrefix"),
        (from_api_error(10021, "overlaps"), {"sources": []}, "sources.external.apiPrefix"),
        (from_api_error(10100, "not unique"), {"filterSubjects": ["a"]}, "filterSubjects"),
        (from_api_error(10100, "not unique"), {"filterSubject": "a"}, "filterSubject"),
        (from_api_error(10099, "multiple"), {}, "filterSubject"),
        (from_api_error(10120, "no limits"), {}, "replicas"),
        (from_api_error(10049, "stream republish transform from a to b"), {}, "republish"),
    ],
)
def test_of_two_fields_that_may_be_meant_the_one_that_the_user_wrote_is_blamed(
    failure: Failure, spec: dict[str, Any], field: str
) -> None:
    assert judged(failure, spec).message.startswith(f"{field}: the server refuses it: ")


@pytest.mark.parametrize(
    "code, remedy",
    [
        (10002, "maxBytes, replicas: "),
        (10005, "replicas, placement: "),
        (10026, "maxConsumers: raise it on the stream, have the account's limit raised, or "),
        (10027, "maxStreams: have this limit of the account raised, or "),
        (10028, "maxBytes, replicas: "),
        (10047, "maxBytes, replicas: "),
        (None, "maxBytes, replicas, placement: "),
    ],
)
def test_what_there_is_no_room_for_names_the_limit_that_is_reached(
    code: int | None, remedy: str
) -> None:
    said = judged(CapacityExceeded("limit reached", code)).message
    assert f"; {remedy}" in said
