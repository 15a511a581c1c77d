"""What no declared object may do: reach where NATS itself talks, or others' streams.

Servers publish and capture with rights of their own, so whoever may declare a stream could have
others' streams purged or deleted, their messages acknowledged, and their answers read.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from coze_nats.core.desired import Desired, Target
from coze_nats.core.grants import Granted, foreign_copies, ungranted
from coze_nats.core.live import Config
from coze_nats.core.login import DEFAULT_PREFIX
from coze_nats.core.names import Reason
from coze_nats.core.ownership import Live
from coze_nats.core.reach import Reach, captured, copied, published
from coze_nats.core.resource import Key
from coze_nats.core.subjects import Subjects, can_meet, covers

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

_ANYTHING = (
    "begins with a wildcard, which can be whatever other namespaces use, and this connection "
    "serves several: begin it with a literal token, or use a connection of your own"
)
_DOMAIN = re.compile(r"^[$]JS[.][^.]+[.]API$")
_RELEASED = "coze-released"
_SHOWN = 4
_PROMOTES = 3
"""The API level from which on a mirror can be made a normal stream."""


class Neighbour(NamedTuple):
    """A stream that a resource of another namespace owns, and doesn't share with this one.

    Attributes:
        owner: its resource; or the mark that it bears, where there is no such resource here.
        subjects: what the stream takes.
    """

    owner: Key | str
    stream: str
    subjects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fences:
    """What limits an object's reach besides what is never right.

    Attributes:
        api_prefix: what the connection's requests begin with.
        neighbours: whose streams it must not reach.
        is_shared: whether other namespaces use the connection, too.
        domain: the JetStream domain of the servers.
        granted: what the connection grants the namespace; None: it grants nothing to anybody.
        own_streams: names of the streams that the namespace owns.
    """

    api_prefix: str = DEFAULT_PREFIX
    neighbours: tuple[Neighbour, ...] = ()
    is_shared: bool = False
    domain: str = ""
    granted: Granted | None = None
    own_streams: frozenset[str] = frozenset()


class Trespass(NamedTuple):
    """Something that an object reaches and must not."""

    reach: Reach
    reason: Reason
    says: str


def refused(desired: Desired, live: Live | None, fences: Fences) -> tuple[Reason, str] | None:
    """Why an object must not be as declared, and what of it stands already; None if it may be."""
    found = trespasses(desired.declared, fences)
    never = any(each.reason is Reason.FORBIDDEN_SUBJECT for each in found)
    if not never and (told := _not_granted(desired, live, fences)):
        return told
    if not found:
        return None
    said = tuple(dict.fromkeys(each.says for each in found))
    more = f" and {len(said) - _SHOWN} more" if len(said) > _SHOWN else ""
    standing = dict.fromkeys(
        f"{each.reach.field} {each.reach.value}" for each in _standing(live, fences)
    )
    already = (
        f", but {desired.target} does so already in JetStream "
        f"({', '.join(list(standing)[:_SHOWN])}): correct the spec, which takes it off, or delete "
        "this resource: what is kept then is kept without it"
        if standing
        else ""
    )
    reason = Reason.FORBIDDEN_SUBJECT if never else Reason.NOT_GRANTED
    return reason, f"{'; '.join(said[:_SHOWN])}{more}. Nothing was sent{already}"


def _not_granted(desired: Desired, live: Live | None, fences: Fences) -> tuple[Reason, str] | None:
    """Why the connection's grants don't allow what is declared; None if they do."""
    granted = fences.granted
    if granted is None:
        return None
    found = [*ungranted(desired.declared, live.config if live else None, granted)]
    found += foreign_copies(desired.declared, fences.domain, fences.own_streams, granted)
    if not found:
        return None
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    message = (
        f"{'; '.join(found[:_SHOWN])}{more}. So much {granted.connection} grants namespace "
        f"{granted.namespace}: ask for less, or have its grants extended. Nothing was sent"
    )
    return Reason.NOT_GRANTED, message


def trespasses(config: Config, fences: Fences) -> tuple[Trespass, ...]:
    """What an object with this config (wire) reaches that it must not, each with what to do."""
    return (*_published(config, fences), *_captured(config, fences), *_copied(config, fences))


def _standing(live: Live | None, fences: Fences) -> tuple[Trespass, ...]:
    return trespasses(live.config, fences) if live else ()


def is_dangerous(live: Live, fences: Fences) -> bool:
    """Whether an object in JetStream reaches what it must not."""
    return bool(_standing(live, fences))


def disarmed(target: Target, live: Live, fences: Fences, api_level: int) -> dict[str, Any]:
    """The config of an object that is let go, without what it must not reach."""
    found = _standing(live, fences)
    fields = {each.reach.field for each in found}
    config = dict(live.config)
    nowhere = ".".join((_RELEASED, target.stream, *([target.consumer] if target.consumer else ())))
    if "deliverSubject" in fields:
        config["deliver_subject"] = nowhere
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
        taken = {each.reach.subject for each in found if each.reach.field == "subjects"}
        config["subjects"] = [s for s in config["subjects"] if s not in taken] or [nowhere]
    return config


def _published(config: Config, fences: Fences) -> Iterator[Trespass]:
    found = tuple(published(config))
    owners = _owners((each.subject for each in found), fences)
    for each in found:
        field, value, subject = each
        is_chosen = value.partition(".")[0] != subject.partition(".")[0]
        is_of_origin = field.endswith("external.apiPrefix")
        if is_of_origin and (_DOMAIN.match(value) or value == fences.api_prefix):
            continue
        if where := _space(subject, fences):
            remedy = "begin it with a literal token" if is_chosen else "choose another subject"
            says = f"{field}: {value} would have the server publish into {where}: {remedy}"
            yield Trespass(each, Reason.FORBIDDEN_SUBJECT, says)
        elif fences.granted and fences.granted.publishes(subject):
            continue
        elif owner := owners.get(subject):
            says = f"{field}: {value} would publish into {_foreign(owner)}, or choose another one"
            yield Trespass(each, Reason.NOT_GRANTED, says)
        elif fences.is_shared and subject.startswith("*"):
            yield Trespass(each, Reason.NOT_GRANTED, f"{field}: {value} {_ANYTHING}")


def _captured(config: Config, fences: Fences) -> Iterator[Trespass]:
    found = tuple(captured(config))
    owners = _owners((each.subject for each in found if each.field != "subjects"), fences)
    for each in found:
        field, value, subject = each
        if any(covers(wide, subject) for wide in HARMLESS_TO_CAPTURE):
            continue
        if where := _bucket(subject, str(config.get("name", ""))) or _space(subject, fences):
            says = f"{field}: {value} would take what is sent in {where}: narrow it"
            yield Trespass(each, Reason.FORBIDDEN_SUBJECT, says)
        elif fences.granted and fences.granted.takes(subject):
            continue
        elif field != "subjects" and (owner := owners.get(subject)):
            says = f"{field}: {value} would take what is sent to {_foreign(owner)}"
            yield Trespass(each, Reason.NOT_GRANTED, says)
        elif fences.is_shared and subject.startswith("*"):
            yield Trespass(each, Reason.NOT_GRANTED, f"{field}: {value} {_ANYTHING}")


def _copied(config: Config, fences: Fences) -> Iterator[Trespass]:
    owners = {neighbour.stream: neighbour for neighbour in reversed(fences.neighbours)}
    for each in copied(config, fences.domain):
        owner = owners.get(each.value)
        if owner and not (fences.granted and fences.granted.copies(each.value)):
            says = f"{each.field}: {each.value} would copy {_foreign(owner)}"
            yield Trespass(each, Reason.NOT_GRANTED, says)


def _foreign(neighbour: Neighbour) -> str:
    if isinstance(neighbour.owner, str):
        return (
            f"stream {neighbour.stream}, which {neighbour.owner} owns (cluster/namespace/name): "
            "have it granted on the connection (sourcesFrom, publishTo)"
        )
    return (
        f"stream {neighbour.stream} of {neighbour.owner}, another namespace: have its owner add "
        "this one to allowedNamespaces there"
    )


def _owners(subjects: Iterable[str], fences: Fences) -> Mapping[str, Neighbour]:
    """Whose stream takes what is published on each of these subjects: the first neighbour's."""
    if not fences.neighbours:
        return {}
    published_on = Subjects(subjects)
    found: dict[str, Neighbour] = {}
    for neighbour in fences.neighbours:
        for taken in neighbour.subjects:
            for subject in published_on.meeting(taken):
                found.setdefault(subject, neighbour)
    return found


def _bucket(subject: str, name: str) -> str:
    for space, begin in _BUCKETS:
        bucket = f"{space}.{name.removeprefix(begin)}.>"
        is_own = name.startswith(begin) and covers(bucket, subject)
        if can_meet(subject, f"{space}.>") and not is_own:
            return f"{space}. (where another bucket's values are)"
    return ""


def _space(subject: str, fences: Fences) -> str:
    for space, purpose in SPACES:
        if can_meet(subject, f"{space}.>"):
            return f"{space}. ({purpose})"
    if can_meet(subject, f"{fences.api_prefix}.>"):
        return f"{fences.api_prefix}. (the connection's own API)"
    return ""
