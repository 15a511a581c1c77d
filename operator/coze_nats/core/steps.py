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
class Delete:
    """Delete the object."""

    target: Target


@dataclass(frozen=True, slots=True)
class Note:
    """Write down that the object is about to be replaced, so that a crash can't hide it."""

    target: Target
    replacement: Replacement


Step = Create | Update | Pause | Delete | Note
