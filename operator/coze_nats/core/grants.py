"""What a connection grants to a namespace: names, subjects, copies, and bytes.

Without a grant, a connection may be used as it is. With one, a namespace that none names gets
nothing, and what is not granted is refused.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from coze_nats.core.codec import InvalidValue, parse_size
from coze_nats.core.live import Config
from coze_nats.core.reach import Reach, captured, copied, published
from coze_nats.core.references import EVERY_NAMESPACE
from coze_nats.core.resource import Key
from coze_nats.core.subjects import Subjects

_SHOWN = 5


@dataclass(frozen=True)
class Granted:
    """All that one namespace is granted on a connection that grants anything.

    Attributes:
        connection: who may grant more.
        is_named: whether any grant names the namespace.
        streams: what names may be; None: any.
        sources: names of streams of others that may be copied and consumed.
        publish: subjects that the server may be had to publish on, besides `subjects`.
        most_bytes: of all streams of the namespace together; None: any number.
        used: bytes that older resources of the namespace declare.
    """

    connection: Key
    namespace: str
    is_named: bool = False
    streams: tuple[str, ...] | None = ()
    subjects: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    publish: tuple[str, ...] = ()
    most_bytes: int | None = 0
    used: int = 0

    def takes(self, subject: str) -> bool:
        """Whether a stream may take all of a subject."""
        return self._taken.cover(subject)

    def publishes(self, subject: str) -> bool:
        """Whether the server may be had to publish all of a subject."""
        return self._published.cover(subject)

    def copies(self, stream: str) -> bool:
        """Whether a stream of others may be copied and consumed."""
        return any(_matches(pattern, stream) for pattern in self.sources)

    @cached_property
    def _taken(self) -> Subjects:
        return Subjects(self.subjects)

    @cached_property
    def _published(self) -> Subjects:
        return Subjects((*self.publish, *self.subjects))


def granted_to(
    namespace: str, connection: Key, spec: Mapping[str, Any], used: int
) -> Granted | None:
    """What a connection with this spec grants a namespace; None if it grants nothing to anybody."""
    grants = spec.get("grants") or ()
    if not grants:
        return None
    own = [
        grant
        for grant in grants
        if namespace in grant["namespaces"] or EVERY_NAMESPACE in grant["namespaces"]
    ]
    limits = [_limit(grant) for grant in own]
    any_name = any("streams" not in grant for grant in own)
    return Granted(
        connection=connection,
        namespace=namespace,
        is_named=bool(own),
        streams=None if any_name else _all(own, "streams"),
        subjects=_all(own, "subjects"),
        sources=_all(own, "sourcesFrom"),
        publish=_all(own, "publishTo"),
        most_bytes=None if None in limits else sum(limit or 0 for limit in limits),
        used=used,
    )


def declared_bytes(spec: Mapping[str, Any]) -> int:
    """The maxBytes of a stream's spec; 0 for none, and for what is no size."""
    try:
        return max(parse_size(spec.get("maxBytes", 0)), 0)
    except InvalidValue:
        return 0


def _limit(grant: Mapping[str, Any]) -> int | None:
    return declared_bytes(grant) or None


def ungranted(config: Config, live: Config | None, granted: Granted) -> Iterator[str]:
    """What an object with this config (wire) is not granted, each with what is.

    Args:
        live: what is there; what it has may stay.
    """
    # A consumer is granted by whoever has the stream; only what it publishes is judged here.
    is_stream = "durable_name" not in config
    if is_stream and not granted.is_named:
        yield "nothing is granted to it"
        return
    if is_stream:
        yield from _stream(config, live, granted)
    for each in published(config):
        is_domain = each.field.endswith("apiPrefix") and each.value.startswith("$JS.")
        if not is_domain and not granted.publishes(each.subject):
            yield _not_among(each, "publishTo", granted.publish)


def _stream(config: Config, live: Config | None, granted: Granted) -> Iterator[str]:
    name = config["name"]
    if granted.streams is not None and not any(_matches(each, name) for each in granted.streams):
        yield _not_among(Reach("name", name, name), "streams", granted.streams)
    copies = config.get("mirror") or config.get("sources")
    taken = config.get("subjects") or ([] if copies else [name])
    for each in captured({**config, "subjects": taken}):
        if not granted.takes(each.subject):
            yield _not_among(each, "subjects", granted.subjects)
    most = granted.most_bytes
    wanted = config.get("max_bytes", -1)
    has = (live or {}).get("max_bytes", 0)
    if most is None or (live and 0 < wanted <= has):
        return
    if wanted <= 0:
        yield f"maxBytes: the streams of a namespace with {most} bytes have one each: set it"
    elif granted.used + wanted > most:
        yield (
            f"maxBytes: {wanted} bytes and the {granted.used} of older resources are more than "
            f"maxBytes {most}"
        )


def _not_among(reach: Reach, field: str, granted: Sequence[str]) -> str:
    shown = ", ".join(granted[:_SHOWN]) + (" and more" if len(granted) > _SHOWN else "")
    return f"{reach.field}: {reach.value} is not within {field} ({shown or 'nothing'})"


def foreign_copies(config: Config, domain: str, own: Iterable[str], granted: Granted) -> list[str]:
    """Streams that are copied, are not the namespace's own and are not granted."""
    mine = set(own)
    return [
        _not_among(each, "sourcesFrom", granted.sources)
        for each in copied(config, domain)
        if each.value not in mine and not granted.copies(each.value)
    ]


def _matches(pattern: str, name: str) -> bool:
    """Whether a name is the pattern, or begins with what stands before a `*` at its end."""
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def _all(grants: Iterable[Mapping[str, Any]], field: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item for grant in grants for item in grant.get(field) or ()))
