"""Configurations to send: of a new object, of a changed one, and of one that is let go."""

from collections.abc import Mapping
from typing import Any

from coze_nats.core import fencing, names
from coze_nats.core.codec import instant_ns
from coze_nats.core.desired import Desired, Target
from coze_nats.core.diff import FieldChange
from coze_nats.core.live import Config
from coze_nats.core.ownership import Live, owner_of
from coze_nats.core.steps import Create, Pause, Replacement, Step, Update

_RESERVED = (names.SERVER_METADATA_PREFIX, names.OPERATOR_METADATA_PREFIX)


def creation(
    desired: Desired,
    mark: str,
    replacing: Replacement | None = None,
    consumers: tuple[Step, ...] = (),
) -> tuple[Step, ...]:
    """The steps that create the object, where `replacing` left off if it takes another's place.

    Whether a pause is over is for the server to say, by its own clock: it takes one that is, too.

    Args:
        mark: of its owner, to stand in its metadata; "" for none.
        consumers: the steps that create a stream's consumers, before it takes anything in.
    """
    metadata = _marked(desired.metadata, mark)
    config = {**desired.declared, "metadata": metadata}
    if replacing and replacing.start and desired.target.consumer is not None:
        metadata[names.START_METADATA] = f"{replacing.start} {declared_start(desired)}"
        config |= {"deliver_policy": "by_start_sequence", "opt_start_seq": replacing.start}
        config.pop("opt_start_time", None)
    if desired.pause_until:
        config["pause_until"] = desired.pause_until
    _drop_empty_metadata(config)
    if desired.target.consumer is not None:
        return (Create(desired.target, config),)
    return _stream_creation(desired.target, config, replacing.start if replacing else 0, consumers)


def _stream_creation(
    target: Target, config: Config, first: int, consumers: tuple[Step, ...]
) -> tuple[Step, ...]:
    """The steps that create a stream, fenced at first if it takes another one's place.

    Its first sequence is no longer in its configuration afterwards: an application that creates the
    stream itself, as it is declared, must find it so.
    """
    if "mirror" in config or not (first or consumers):
        return (Create(target, config),)
    closed = fencing.fenced(config)
    if first > config.get("first_seq", 0):
        closed["first_seq"] = first
    return (Create(target, closed), *consumers, Update(target, config))


def declared_start(desired: Desired) -> str:
    """Where a consumer is declared to start, as one word."""
    declared = desired.declared
    policy = declared.get("deliver_policy", "all")
    start = declared.get("opt_start_seq") or declared.get("opt_start_time") or ""
    return f"{policy}:{start}" if start else str(policy)


def kept_start(desired: Desired, live: Config) -> Config:
    """The live config as if the consumer had started where it is declared to.

    A consumer that was created anew started where its forerunner had stopped; that is no difference
    as long as the declared start is the one that it stood for.
    """
    noted = str((live.get("metadata") or {}).get(names.START_METADATA, ""))
    start, _, stands_for = noted.partition(" ")
    as_noted = ("by_start_sequence", start)
    if (
        not noted
        or (live.get("deliver_policy"), str(live.get("opt_start_seq"))) != as_noted
        or stands_for != declared_start(desired)
    ):
        return live
    found = {key: value for key, value in live.items() if key != "opt_start_seq"}
    declared = desired.declared
    found["deliver_policy"] = declared.get("deliver_policy", "all")
    starts = ("opt_start_seq", "opt_start_time")
    return found | {key: declared[key] for key in starts if key in declared}


def updated(
    desired: Desired, live: Config, changes: tuple[FieldChange, ...], mark: str, former: str = ""
) -> dict[str, Any]:
    """The live config with only the changed fields set or, to get the server's default, dropped.

    Everything else stays as the server gave it, so that what the operator doesn't know survives.

    Args:
        mark: see `creation`.
        former: the owner from whom it is taken over, for that one to see; "" for none.
    """
    changed = {change.name for change in changes}
    config = dict(live)
    for item in desired.fields:
        if item.name in changed:
            value = item.codec.merged(live.get(item.wire), desired.declared.get(item.wire))
            config[item.wire] = item.removal if value is None else value
            if config[item.wire] is None:
                del config[item.wire]
    kept = {
        key: value
        for key, value in (live.get("metadata") or {}).items()
        if key.startswith(_RESERVED) and key != names.FENCED_METADATA
    }
    taken = {names.FORMER_OWNER_METADATA: former} if former and mark else {}
    config["metadata"] = _marked({**kept, **desired.metadata, **taken}, mark)
    _drop_empty_metadata(config)
    return config


def _marked(metadata: Mapping[str, str], mark: str) -> dict[str, str]:
    marks = {names.OWNER_METADATA} | (set() if mark else {names.FORMER_OWNER_METADATA})
    found = {key: value for key, value in metadata.items() if key not in marks}
    return found | ({names.OWNER_METADATA: mark} if mark else {})


def _drop_empty_metadata(config: dict[str, Any]) -> None:
    """For an application's equal create, nats-server 2.10 tells none from an empty one."""
    if not config["metadata"]:
        del config["metadata"]


def staged(
    desired: Desired, config: Config, live: Config, changes: tuple[FieldChange, ...]
) -> tuple[Config, ...]:
    """A cluster refuses replicas and placement in one update (10123): the first step does one.

    Replicas are made where they shall be in the end, and removed before the rest has to move.
    """
    if not {"replicas", "placement"} <= {change.name for change in changes}:
        return (config,)
    replicas = desired.after("num_replicas")
    if replicas < live["num_replicas"]:
        return ({**live, "num_replicas": replicas}, config)
    moved = {key: value for key, value in live.items() if key != "placement"}
    if "placement" in config:
        moved["placement"] = config["placement"]
    return (moved, config)


def pausing(desired: Desired, live: Live) -> tuple[Step, ...]:
    """The step that pauses or resumes a consumer, if it isn't as declared."""
    if not desired.pause_until and not live.config.get("pause_until"):
        return ()
    # None is over while the server's time isn't known.
    now_ns = instant_ns(live.as_of) if live.as_of else 0
    have = _still_to_come(live.config.get("pause_until"), now_ns)
    want = _still_to_come(desired.pause_until, now_ns)
    if (have and instant_ns(have)) == (want and instant_ns(want)):
        return ()
    return (Pause(desired.target, want),)


def _still_to_come(instant: str | None, now_ns: int) -> str | None:
    """The instant, unless it has passed and so means nothing any more."""
    return instant if instant and instant_ns(instant) > now_ns else None


def opened(desired: Desired, live: Config) -> dict[str, Any]:
    """A fenced stream as it was before, with the first sequence that is declared."""
    config = fencing.opened(live)
    config.pop("first_seq", None)
    first = desired.declared.get("first_seq")
    return config | ({"first_seq": first} if first else {})


def released(target: Target, live: Live, harmless: Config) -> tuple[Step, ...]:
    """The steps that let an object go: as it is, but for what is not harmless, without a mark."""
    opened_ = fencing.opened(harmless)
    if opened_ == live.config and not owner_of(live):
        return ()
    config = {**opened_, "metadata": _marked(opened_.get("metadata") or {}, "")}
    _drop_empty_metadata(config)
    return (Update(target, config),)
