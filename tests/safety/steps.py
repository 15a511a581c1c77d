"""What happens in a history, as values: what prints is what is played.

A step names resources, streams and consumers from small pools, never what is there when it is
played, so that a history is a history still when steps are taken out of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from coze_nats.core.resource import Key

Spec = Mapping[str, Any]
Kind = Literal["dies", "away", "unknown"]


def shown(spec: Spec) -> str:
    """A spec or a config on one line."""
    return "{" + ", ".join(f"{key}: {value}" for key, value in spec.items()) + "}"


@dataclass(frozen=True, slots=True)
class Apply:
    """Somebody declares a resource, or declares it anew.

    Attributes:
        cluster: index of the operator whose cluster it is; here and below.
        noticed: whether the operator reconciles it at once.
    """

    cluster: int
    key: Key
    spec: Spec
    noticed: bool = True

    def __str__(self) -> str:
        late = "" if self.noticed else " (noticed later)"
        return f"apply   {self.cluster} {self.key}{late} {shown(self.spec)}"


@dataclass(frozen=True, slots=True)
class Delete:
    """Somebody deletes a resource, perhaps with the annotation that releases its object."""

    cluster: int
    key: Key
    released: bool = False
    noticed: bool = True

    def __str__(self) -> str:
        how = " (released by annotation)" if self.released else ""
        late = "" if self.noticed else " (noticed later)"
        return f"delete  {self.cluster} {self.key}{how}{late}"


@dataclass(frozen=True, slots=True)
class Look:
    """The operator reconciles one resource, or, without a key, all that aren't settled."""

    cluster: int
    key: Key | None = None

    def __str__(self) -> str:
        return f"look    {self.cluster} {self.key or 'at all that is not settled'}"


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong at a port call.

    Attributes:
        call: number of the call within the reconcile, from 1; without that many nothing happens.
        kind: the process dies; NATS is away, so nothing is sent; no answer comes in time.
        after: whether the call has taken effect all the same.
    """

    call: int
    kind: Kind
    after: bool = False

    def __str__(self) -> str:
        return f"{self.kind} {'after' if self.after else 'before'} call {self.call}"


@dataclass(frozen=True, slots=True)
class Trouble:
    """The operator reconciles one resource, and something goes wrong in the middle."""

    cluster: int
    key: Key
    fault: Fault

    def __str__(self) -> str:
        return f"trouble {self.cluster} {self.key}: {self.fault}"


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The operator reconciles one resource, and another step is played before one of its calls."""

    cluster: int
    key: Key
    call: int
    step: "Step"

    def __str__(self) -> str:
        return f"amidst  {self.cluster} {self.key}, before call {self.call}: {self.step}"


@dataclass(frozen=True, slots=True)
class Restart:
    """The operator starts anew, with an empty memory."""

    cluster: int

    def __str__(self) -> str:
        return f"restart {self.cluster}"


@dataclass(frozen=True, slots=True)
class Wait:
    """Time passes for the operators."""

    seconds: float

    def __str__(self) -> str:
        return f"wait    {self.seconds:g} s"


# --- what others do in JetStream; `consumer` is None where the stream itself is meant -------------


@dataclass(frozen=True, slots=True)
class ForeignCreate:
    """Somebody makes an object by hand, if there is none; `config` is without its names."""

    stream: str
    consumer: str | None
    config: Spec

    def __str__(self) -> str:
        return f"foreign create {_named(self)} {shown(self.config)}"


@dataclass(frozen=True, slots=True)
class ForeignEdit:
    """Somebody changes an object by hand, its metadata excepted."""

    stream: str
    consumer: str | None
    change: Spec

    def __str__(self) -> str:
        return f"foreign edit   {_named(self)} {shown(self.change)}"


@dataclass(frozen=True, slots=True)
class ForeignDelete:
    """Somebody deletes an object by hand."""

    stream: str
    consumer: str | None

    def __str__(self) -> str:
        return f"foreign delete {_named(self)}"


@dataclass(frozen=True, slots=True)
class ForeignRecreate:
    """Somebody deletes an object and makes it again as it was, perhaps without its metadata."""

    stream: str
    consumer: str | None
    with_metadata: bool

    def __str__(self) -> str:
        metadata = "with" if self.with_metadata else "without"
        return f"foreign re-create {_named(self)} {metadata} its metadata"


@dataclass(frozen=True, slots=True)
class ForeignStrip:
    """Somebody removes all metadata from an object."""

    stream: str
    consumer: str | None

    def __str__(self) -> str:
        return f"foreign strip  {_named(self)}"


@dataclass(frozen=True, slots=True)
class Start:
    """An application starts, and declares what it needs, with no metadata.

    Attributes:
        updates: whether it brings what is there to that, or expects it to be so.
    """

    stream: str
    consumer: str | None
    config: Spec
    updates: bool

    def __str__(self) -> str:
        how = "creates or updates" if self.updates else "creates"
        return f"start   {how} {_named(self)} {shown(self.config)}"


@dataclass(frozen=True, slots=True)
class Attach:
    """An application waits at a consumer for its next message, which it doesn't acknowledge."""

    stream: str
    consumer: str

    def __str__(self) -> str:
        return f"attach  to {self.stream}/{self.consumer}"


@dataclass(frozen=True, slots=True)
class Publish:
    """An application publishes on one of the stream's subjects."""

    stream: str
    token: str
    count: int

    def __str__(self) -> str:
        return f"publish {self.count} on {self.stream.lower()}.{self.token}"


@dataclass(frozen=True, slots=True)
class Consume:
    """An application takes messages from a consumer, and acknowledges them or not yet."""

    stream: str
    consumer: str
    count: int
    acknowledges: bool = True

    def __str__(self) -> str:
        unsaid = "" if self.acknowledges else " without a word"
        return f"consume {self.count} from {self.stream}/{self.consumer}{unsaid}"


Foreign = ForeignCreate | ForeignEdit | ForeignDelete | ForeignRecreate | ForeignStrip | Start
Traffic = Publish | Consume | Attach
Step = Apply | Delete | Look | Trouble | Interrupted | Restart | Wait | Foreign | Traffic


def _named(step: Foreign) -> str:
    return step.stream if step.consumer is None else f"{step.stream}/{step.consumer}"
