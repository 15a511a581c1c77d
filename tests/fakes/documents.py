"""Secrets and ConfigMaps in memory, as `coze_nats.kube.documents` reads them."""

from collections import defaultdict
from collections.abc import Callable, Mapping

from coze_nats.core.errors import Failure
from coze_nats.core.login import SECRET, Document


class FakeDocuments:
    """Implements `coze_nats.ports.Documents`; `write` and `delete` are the users'.

    Attributes:
        reads: what was read, as namespace and document, the oldest first.
        failure: raised by every read, as long as there is one.
        meanwhile: called while a read is under way.
    """

    def __init__(self) -> None:
        self.reads: list[tuple[str, Document]] = []
        self.failure: Failure | None = None
        self.meanwhile: Callable[[], None] = _nothing
        self._stored: dict[str, dict[Document, Mapping[str, str]]] = defaultdict(dict)

    def write(self, namespace: str, name: str, kind: str = SECRET, **data: str) -> None:
        """Have a Secret, or another kind, with this data and no other."""
        self._stored[namespace][Document(kind, name)] = data

    def delete(self, namespace: str, name: str, kind: str = SECRET) -> None:
        del self._stored[namespace][Document(kind, name)]

    async def read(self, namespace: str, document: Document) -> Mapping[str, str] | None:
        """See `coze_nats.ports.Documents`."""
        self.reads.append((namespace, document))
        self.meanwhile()
        if self.failure:
            raise self.failure
        return self._stored[namespace].get(document)


def _nothing() -> None:
    """What happens while a Secret is read, mostly."""
