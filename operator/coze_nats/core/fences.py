"""What no declared object may do: publish or capture where NATS itself and its clients talk.

Servers publish and capture with rights of their own, so whoever may declare a stream could have
others' streams purged or deleted, their messages acknowledged, and their answers read.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from coze_nats.core.desired import Desired, Target
from coze_nats.core.live import Config
from coze_nats.core.login import DEFAULT_PREFIX
from coze_nats.core.ownership import Live
from coze_nats.core.reach import Reach, captured, published
from coze_nats.core.subjects import can_meet, covers

SPACES = (
    ("$JS", "NATS's own API"),
    ("$JSC", "NATS's own"),
    ("$SYS", "NATS's own"),
    ("$NRG", "NATS's own"),
    ("$SRV", "where services are asked"),
    ("$MQTT", "MQTT's own"),
    ("_INBOX", "where answers come"),
    ("_R_", "where answers come"),
    ("_GR_", "where answers come"),
)
"""First tokens, and what they are for."""

HARMLESS_TO_CAPTURE = ("$JS.EVENT.>", "$SYS.ACCOUNT.>")
"""Advisories. Servers publish them whether or not somebody stores them."""

_BUCKETS = (("$KV", "KV_"), ("$O", "OBJ_"))
"""First tokens of buckets' subjects, and what the names of their streams begin with."""

_DOMAIN = re.compile(r"^[$]JS[.][^.]+[.]API$")
_RELEASED = "coze-released"
_SHOWN = 4
_PROMOTES = 3
"""The API level from which on a mirror can be made a normal stream."""


@dataclass(frozen=True, slots=True)
class Fences:
    """What limits an object's reach besides what is never right.

    Attributes:
        api_prefix: what the connection's requests begin with.
    """

    api_prefix: str = DEFAULT_PREFIX


def refused(desired: Desired, live: Live | None, fences: Fences) -> str:
    """Why an object must not be as declared, and what of it stands already; "" if it may be."""
    trespasses = tuple(dict.fromkeys(_trespasses(desired.declared, fences)))
    if not trespasses:
        return ""
    more = len(trespasses) - _SHOWN
    found = "; ".join(trespasses[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
    standing = ", ".join(f"{each.field} {each.value}" for each in dangerous(live, fences)[:_SHOWN])
    already = (
        f", but {desired.target} does so already in JetStream ({standing}): correct the spec, "
        "which takes it off, or delete this resource: what is kept then is kept without it"
        if standing
        else ""
    )
    return f"{found}. Nothing was sent{already}"


def dangerous(live: Live | None, fences: Fences) -> tuple[Reach, ...]:
    """What an object in JetStream reaches that it must not."""
    if live is None:
        return ()
    found = (
        *(each for each in published(live.config) if _published_into(each, fences)),
        *(each for each in captured(live.config) if _captured_from(each, live.config, fences)),
    )
    return tuple(dict.fromkeys(each._replace(subject="") for each in found))


def disarmed(target: Target, live: Live, fences: Fences, api_level: int) -> dict[str, Any]:
    """The config of an object that is let go, without what it must not reach."""
    fields = {each.field for each in dangerous(live, fences)}
    config = dict(live.config)
    if not fields:
        return config
    nowhere = ".".join((_RELEASED, target.stream, *([target.consumer] if target.consumer else ())))
    if "deliverSubject" in fields:
        return config | {"deliver_subject": nowhere}
    if "republish.destination" in fields:
        del config["republish"]
    if any(field.startswith("mirror") for field in fields) and api_level >= _PROMOTES:
        del config["mirror"]
        config["subjects"] = [nowhere]
    kept = [
        source
        for number, source in enumerate(config.get("sources") or ())
        if not any(field.startswith(f"sources[{number}].") for field in fields)
    ]
    if len(kept) < len(config.get("sources") or ()):
        config["sources"] = kept
    if "subjects" in fields:
        harmless = [
            each.subject
            for each in captured(live.config)
            if each.field == "subjects" and not _captured_from(each, live.config, fences)
        ]
        config["subjects"] = harmless or [nowhere]
    return config


def _trespasses(config: Config, fences: Fences) -> Iterator[str]:
    """What a config reaches that it must not, each with what to do."""
    for each in published(config):
        if space := _published_into(each, fences):
            chosen = each.value.partition(".")[0] != each.subject.partition(".")[0]
            remedy = "begin it with a literal token" if chosen else "choose another subject"
            yield (
                f"{each.field}: {each.value} would have the server publish into {space}: {remedy}"
            )
    for each in captured(config):
        if space := _captured_from(each, config, fences):
            yield f"{each.field}: {each.value} would take what is sent in {space}: narrow it"


def _published_into(reach: Reach, fences: Fences) -> str:
    """The space, and what it is for; "" if there is nothing against it."""
    is_of_origin = reach.field.endswith("external.apiPrefix")
    if is_of_origin and (_DOMAIN.match(reach.value) or reach.value == fences.api_prefix):
        return ""
    return _space(reach.subject, fences)


def _captured_from(reach: Reach, config: Config, fences: Fences) -> str:
    subject = reach.subject
    if any(covers(wide, subject) for wide in HARMLESS_TO_CAPTURE):
        return ""
    name = str(config.get("name", ""))
    for space, begin in _BUCKETS:
        bucket = f"{space}.{name.removeprefix(begin)}.>"
        is_own = name.startswith(begin) and covers(bucket, subject)
        if can_meet(subject, f"{space}.>") and not is_own:
            return f"{space}. (where another bucket's values are)"
    return _space(subject, fences)


def _space(subject: str, fences: Fences) -> str:
    for space, purpose in SPACES:
        if can_meet(subject, f"{space}.>"):
            return f"{space}. ({purpose})"
    if can_meet(subject, f"{fences.api_prefix}.>"):
        return f"{fences.api_prefix}. (the connection's own API)"
    return ""
