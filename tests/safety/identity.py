"""Which objects are the same before and after servers were restarted, upgraded or lost a disk."""

from coze_nats.core.desired import Target
from safety.snapshot import Snapshot


class Identity:
    """Servers may tell another time of creation after a restart; the first one stands for all.

    Attributes:
        is_vague: whether servers of such histories can't tell an object from one that was made
            again at once.
    """

    def __init__(self) -> None:
        self.is_vague = False
        self._first: dict[str, str] = {}

    def of(self, created: str) -> str:
        """What stands for the object of which a server once told this `created`."""
        return self._first.get(created, created)

    def go_on(self, before: Snapshot, now: Snapshot) -> frozenset[Target]:
        """What is still there goes on, as nobody was at it; returns what isn't."""
        gone = set()
        for target, found in before.objects():
            live = now.get(target)
            if live is None:
                gone.add(target)
            elif live.created != found.created:
                self._first[live.created] = found.created
        return frozenset(gone)
