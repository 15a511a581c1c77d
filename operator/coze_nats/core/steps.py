"""What can be done to an object in JetStream, as values. What is done is a Plan's matter."""

from dataclasses import dataclass

from coze_nats.core.desired import Target
from coze_nats.core.live import Config


@dataclass(frozen=True, slots=True)
class Replacement:
    """An object that is being deleted to be created anew; kept in status until that is done.

    Attributes:
        created: incarnation of the object that goes.
        start: sequence in the stream at which the new consumer goes on; 0: where it is declared to.
            Of a stream, the sequence that its first message shall have; 0: the server's.
    """

    created: str
    start: int = 0


@dataclass(frozen=True, slots=True)
class Create:
    """Create the object with this configuration."""

    target: Target
    config: Config


@dataclass(frozen=True, slots=True)
class Update:
    """Replace the object's whole configuration."""

    target: Target
    config: Config


@dataclass(frozen=True, slots=True)
class Pause:
    """Pause a consumer until an RFC 3339 time; None resumes it."""

    target: Target
    until: str | None


@dataclass(frozen=True, slots=True)
class Fence:
    """Let nothing more into a stream that is about to go, or let it stay if it isn't as expected.

    Attributes:
        config: takes nothing in.
        former: what it goes back to if it stays.
        most: how many messages may go with it; None: all.
        below: what came in has sequences below this one; 0: whichever.
    """

    target: Target
    config: Config
    former: Config
    most: int | None
    below: int


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete the object."""

    target: Target


@dataclass(frozen=True, slots=True)
class Note:
    """Write down that the object is about to be replaced, so that a crash can't hide it."""

    target: Target
    replacement: Replacement


Step = Create | Update | Pause | Fence | Delete | Note
