"""What an operator may write to JetStream: every single write is held against these rules.

Independent of how the operator decides: judged are what is declared, the policies in force, and
what JetStream really held before and after.
"""

from collections.abc import Callable
from dataclasses import dataclass

from coze_nats.core import names
from coze_nats.core.desired import Desired, Target
from coze_nats.core.diff import diff
from coze_nats.core.live import Server
from coze_nats.core.policies import Policies
from coze_nats.core.resource import Resource
from safety.snapshot import ConsumerFound, Object, Snapshot, StreamFound, changed, lost


class Violation(AssertionError):
    """The operator did, or told, what it must not; `rule` names what."""

    def __init__(self, rule: str, what: str) -> None:
        super().__init__(f"{rule}: {what}")
        self.rule = rule


@dataclass(frozen=True, slots=True)
class Position:
    """A consumer that was deleted to be replaced, and its stream, as they were then."""

    stream: StreamFound
    consumer: ConsumerFound

    @property
    def wanted(self) -> frozenset[int]:
        """The messages that it was not done with."""
        delivered, waiting = self.consumer.delivered, self.consumer.open
        return frozenset(
            item for item in self.stream.messages if item > delivered or item in waiting
        )


@dataclass(frozen=True, slots=True)
class Write:
    """One write that was made.

    Attributes:
        resource: for which it was made, as it was when its reconcile began.
        owner: that resource, as it stands in metadata.
        desired: what it declares; None when it is being deleted.
        robbed: whether somebody else destroyed that object.
        claimed: `created` of what other resources of this cluster own as far as they know.
        known: `created` of the object that it owned when its status last told of one, unless the
            operator itself deleted that one since; or of what was made for it and isn't told of.
        stream_owner: the owner that the consumer's stream must have: its CozeStream, or nobody.
        stream_known: `created` of that CozeStream's stream.
        first: resources that come first in adopting the object, which is as they declare it.
        position: where the consumer stood that this one replaces.
        blind: whether somebody changed the object after the operator looked at it.
        raced: whether anything else happened after the reconcile began.
    """

    resource: Resource
    owner: str
    policies: Policies
    desired: Desired | None
    known: str
    robbed: bool
    claimed: frozenset[str]
    stream_owner: str
    stream_known: str
    first: tuple[str, ...]
    position: Position | None
    server: Server
    verb: str
    target: Target
    before: Snapshot
    after: Snapshot
    blind: bool
    raced: bool

    def __str__(self) -> str:
        return f"{self.verb} {self.target} for {self.owner} ({self.resource.key.kind})"

    @property
    def previous(self) -> StreamFound | ConsumerFound | None:
        return self.before.get(self.target)


def judge(write: Write) -> None:
    """Hold a write against all rules; raises Violation."""
    for rule in _RULES:
        if objection := rule(write):
            raise Violation(rule.__name__.strip("_"), f"{write}: {objection}")


def is_own(found: Object, owner: str, known: str) -> bool:
    """Whether an object is the resource's: it bears its mark or, with none, is the one it records.

    Also when somebody else made it anew.
    """
    return found.owner == owner or (not found.owner and bool(known))


def _touches_its_target_only(write: Write) -> str:
    for target in changed(write.before, write.after):
        went_with_stream = (
            write.verb == "delete"
            and write.target.consumer is None
            and target.stream == write.target.stream
            and write.after.get(target) is None
        )
        if target != write.target and not went_with_stream:
            return f"changed {target}"
    return ""


def _touches_only_what_is_its_own(write: Write) -> str:
    found = write.previous
    if found is None or write.blind or write.target not in changed(write.before, write.after):
        return ""
    if not found.owner and found.created != write.known and found.created in write.claimed:
        return "it bears no mark, and another resource owns it"
    if is_own(found, write.owner, write.known):
        is_told = found.owner or found.created == write.known or write.desired is not None
        return "" if is_told else "somebody else made it, and it was never told of"
    if found.owner:
        return f"it belongs to {found.owner}"
    adoption = write.policies.adoption
    if write.desired is None or adoption == "Never":
        return f"nobody owns it, and adoption is {adoption}"
    if adoption == "IfIdentical" and diff(write.desired, found.config, write.server):
        return "nobody owns it, and it is not identical"
    return ""


def _creates_with_its_owner(write: Write) -> str:
    """What it makes bears its mark, unless it shall not; what was there before gets none."""
    now = write.after.get(write.target)
    if write.desired is None or now is None or write.verb == "delete":
        return ""
    is_recorded = write.policies.ownership == "Record" or (write.previous and not now.owner)
    right = {write.owner} | ({""} if is_recorded else set())
    return "" if now.owner in right else f"afterwards it belongs to {now.owner!r}"


def _leaves_alone_what_is_suspended(write: Write) -> str:
    return "suspended" if write.desired and write.resource.spec.get("suspend") else ""


def _holds_what_is_missing(write: Write) -> str:
    if write.desired is None or write.policies.missing != "Hold" or not write.robbed:
        return ""
    return f"what it owned was created at {write.known} and is gone, and missing is Hold"


def _deletes_only_where_that_is_allowed(write: Write) -> str:
    found = write.previous
    if write.verb != "delete" or found is None or write.blind:
        return ""
    policies, holds = write.policies, isinstance(found, StreamFound) and bool(found.messages)
    if isinstance(found, StreamFound) and found.is_copy:
        # What comes in by itself may have come after the last look; its origin has it yet.
        holds = False
    if write.desired is not None:
        if policies.replacement != "Recreate":
            return f"replacement is {policies.replacement}"
        if policies.data_loss == "Allow":
            return ""
        return "it holds messages" if holds else _consumers_of_nobody(found)
    if write.resource.released or policies.deletion == "Retain":
        return "it was to be retained"
    if policies.deletion != "DeleteIfEmpty" or write.raced:
        return ""
    return "it holds messages" if holds else _used(found, write.claimed)


def _used(found: Object, claimed: frozenset[str]) -> str:
    """Why an application would notice that it is gone."""
    if isinstance(found, ConsumerFound):
        return "it is used" if found.open or found.done or found.attached else ""
    consumers = found.consumers if isinstance(found, StreamFound) else {}
    used = [
        name
        for name, item in consumers.items()
        if _used(item, claimed) or not (item.owner or item.created in claimed)
    ]
    return f"takes {', '.join(used)} away" if used else ""


def _consumers_of_nobody(found: Object) -> str:
    """The consumers that would go with a stream, and that no resource brings back."""
    consumers = found.consumers if isinstance(found, StreamFound) else {}
    return ", ".join(f"takes {name} away" for name, item in consumers.items() if not item.owner)


def _loses_no_message(write: Write) -> str:
    gone = lost(write.before, write.after)
    target = write.before.streams.get(write.target.stream)
    if not gone or write.raced or (target and target.is_copy):
        return ""
    said = ", ".join(f"{sorted(items)} of {name}" for name, items in gone.items())
    if gone.keys() != {write.target.stream}:
        return said
    stream = write.before.streams[write.target.stream]
    is_consumer = write.target.consumer is not None
    if is_consumer and stream.config["retention"] != "interest":
        return said
    if write.desired is None:
        return "" if write.policies.deletion == "Delete" else said
    resets = is_consumer and write.policies.position == "Reset"
    return "" if resets or write.policies.data_loss == "Allow" else said


def _changes_all_or_nothing(write: Write) -> str:
    now = write.after.get(write.target)
    if write.desired is None or write.verb != "update" or now is None:
        return ""
    if write.target not in changed(write.before, write.after):
        return ""
    if _only_closes_or_opens(write):
        is_allowed = not _is_closed(now) or write.policies.replacement == "Recreate"
        return "" if is_allowed else "closed, and replacement is Block"
    left = [item for item in diff(write.desired, now.config, write.server) if item.declared]
    excused = {"deliverPolicy", "optStartSeq"} if write.target.consumer else set()
    if write.previous and _is_closed(write.previous) and _is_closed(now):
        excused = {"subjects", "sources", "firstSequence"}
    return "; ".join(str(item) for item in left if item.name not in excused)


def _only_closes_or_opens(write: Write) -> bool:
    """Whether a stream takes nothing in any more, to be replaced, or takes it in again."""
    before, now = write.previous, write.after.get(write.target)
    if before is None or now is None or _is_closed(before) == _is_closed(now):
        return False
    one, other = (
        {name: value for name, value in each.config.items() if name not in _CLOSING}
        for each in (before, now)
    )
    return one == other


_CLOSING = frozenset({"subjects", "sources", "metadata"})


def _is_closed(found: Object) -> bool:
    return names.FENCED_METADATA in (found.config.get("metadata") or {})


def _consumes_only_its_own_stream(write: Write) -> str:
    if write.target.consumer is None or write.desired is None or write.raced:
        return ""
    stream = write.before.streams.get(write.target.stream)
    if stream is None or is_own(stream, write.stream_owner, write.stream_known):
        return ""
    return f"its stream belongs to {stream.owner!r} and not to {write.stream_owner!r}"


def _keeps_the_position(write: Write) -> str:
    now, position = write.after.get(write.target), write.position
    if write.verb != "create" or not isinstance(now, ConsumerFound) or write.desired is None:
        return ""
    noted = (now.config.get("metadata") or {}).get(names.START_METADATA)
    stream = write.after.streams[write.target.stream]
    if position is None or position.stream.created != stream.created:
        return f"starts at {noted}, where nothing had stopped" if noted else ""
    if write.policies.position == "Reset" or stream.config["retention"] == "workqueue":
        return ""
    begins = now.delivered + 1
    if skipped := sorted(item for item in position.wanted if item < begins):
        return f"starts at {begins} and skips {skipped}"
    if begins <= position.consumer.done < min(position.wanted, default=begins + 1):
        return f"starts at {begins} although it is done up to {position.consumer.done}"
    return ""


def _adopts_in_order(write: Write) -> str:
    found = write.previous
    if found is None or found.owner or write.desired is None or write.raced:
        return ""
    if write.known:
        return ""
    return ", ".join(write.first)


_RULES: tuple[Callable[[Write], str], ...] = (
    _touches_its_target_only,
    _touches_only_what_is_its_own,
    _creates_with_its_owner,
    _leaves_alone_what_is_suspended,
    _holds_what_is_missing,
    _deletes_only_where_that_is_allowed,
    _loses_no_message,
    _changes_all_or_nothing,
    _consumes_only_its_own_stream,
    _keeps_the_position,
    _adopts_in_order,
)
