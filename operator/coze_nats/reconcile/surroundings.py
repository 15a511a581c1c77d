"""What others have on a connection, as far as a resource can reach it, and what it is granted."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from coze_nats.core import names
from coze_nats.core.errors import Denied
from coze_nats.core.fences import Fences, Neighbour
from coze_nats.core.grants import Granted, granted_to
from coze_nats.core.intent import stream_name
from coze_nats.core.live import Config, LiveStream
from coze_nats.core.login import DEFAULT_PREFIX, prefix_of
from coze_nats.core.neighbours import Marked, Reached, shares, subjects_of
from coze_nats.core.ownership import owner_of
from coze_nats.core.resource import Key, Resource
from coze_nats.core.subjects import A_NUMBER
from coze_nats.ports import JetStream, Resources

MOST_SUBJECTS = 8
"""On so many subjects it is asked who is there, before something is made that publishes."""

MOST_STREAMS = 32
"""So many streams are looked at then. A comparison sees all of them, soon after."""


class Surroundings:
    """Whose streams are within reach on one connection, and what may be done through it.

    Args:
        clusters: the ids by which this cluster owns: its own first.
        own_prefix: what requests over the operator's own connection begin with.
    """

    def __init__(
        self,
        resources: Resources,
        connection: Key | None,
        clusters: Sequence[str],
        own_prefix: str = DEFAULT_PREFIX,
    ) -> None:
        self._resources = resources
        self._connection = connection
        self._clusters = tuple(clusters)
        self._own_prefix = own_prefix
        self._marked = Marked()

    def fences(self, resource: Resource, configs: Sequence[Config], domain: str) -> Fences:
        """What limits the reach of a resource's object.

        Args:
            configs: the object as it is declared, and as it is (wire).
        """
        declared = self._resources.get(self._connection) if self._connection else None
        prefix = prefix_of(declared.spec if declared else {}) if self._connection else None
        namespace = resource.key.namespace
        found = Fences(
            prefix or self._own_prefix,
            domain=domain,
            granted=self.granted(resource),
            is_shared=self._resources.holders_on(self._connection).are_elsewhere(namespace),
        )
        reached = Reached.by(configs, domain)
        if reached == Reached((), ()):
            return found
        neighbours = {each.stream: each for each in self._neighbours(namespace, reached)}
        own = frozenset(name for name in reached.streams if self._has(namespace, name))
        return replace(found, neighbours=tuple(neighbours.values()), own_streams=own)

    def granted(self, resource: Resource) -> Granted | None:
        """What the connection grants the resource's namespace; None: it grants nothing to anybody.

        What older resources declare counts first.
        """
        declared = self._resources.get(self._connection) if self._connection else None
        if declared is None or not declared.spec.get("grants"):
            return None
        used = self._resources.holders_on(declared.key).bytes_before(resource)
        return granted_to(resource.key.namespace, declared.key, declared.spec, used)

    def learn(self, streams: Iterable[LiveStream]) -> None:
        """These are all streams of the account."""
        self._marked.learn(each for each in streams if not self._is_known(each))

    async def look(self, jetstream: JetStream, configs: Sequence[Config], domain: str) -> None:
        """See whose streams an object would reach that no resource stands for."""
        reached = Reached.by(configs, domain)
        found = dict.fromkeys(reached.streams)
        try:
            for subject in reached.subjects[:MOST_SUBJECTS]:
                there = await jetstream.streams_on(subject.replace(A_NUMBER, "*"))
                found |= dict.fromkeys(sorted(there))
            unknown = [name for name in found if not self._holder(name)]
            for name in unknown[:MOST_STREAMS]:
                if stream := await jetstream.stream(name):
                    self._marked.note(stream)
        except Denied:
            # Who may not ask gets to know what a comparison sees.
            return

    def is_shared_with(self, owner: str, namespace: str) -> bool:
        """Whether the owner of a stream, by its mark, lets another namespace consume it."""
        holder = self._resource_of(owner)
        return holder is not None and shares(holder, namespace)

    def _neighbours(self, namespace: str, reached: Reached) -> Iterator[Neighbour]:
        """The streams of others, by their marks and by their resources, which come last."""
        for stream in self._marked.reached(reached):
            if not self._is_own(stream, namespace):
                holder = self._resource_of(owner_of(stream))
                owner = holder.key if holder else owner_of(stream)
                yield Neighbour(owner, stream.name, tuple(stream.config.get("subjects") or ()))
        for holder in self._holders(namespace, reached):
            yield Neighbour(holder.key, stream_name(holder), subjects_of(holder))

    def _holders(self, namespace: str, reached: Reached) -> Iterator[Resource]:
        """Of other namespaces, the CozeStreams within reach that don't share; one a subject."""
        for name in reached.streams:
            if (holder := self._holder(name)) and _keeps_from(holder, namespace):
                yield holder
        holders = self._resources.holders_on(self._connection)
        for subject in reached.subjects:
            on = (self._resources.get(key) for key in holders.on(subject))
            if first := next((each for each in on if each and _keeps_from(each, namespace)), None):
                yield first

    def _holder(self, stream: str) -> Resource | None:
        """The CozeStream whose stream this is."""
        streams = self._resources.standing_for(self._connection, stream)
        return next((each for each in streams if each.status.get("created")), None)

    def _has(self, namespace: str, stream: str) -> bool:
        """Whether a stream is the namespace's. What is merely declared may be anybody's."""
        holder = self._holder(stream)
        return holder is not None and holder.key.namespace == namespace

    def _is_known(self, stream: LiveStream) -> bool:
        """Whether a resource that uses this connection tells whose a stream is."""
        holder, owner = self._holder(stream.name), self._resource_of(owner_of(stream))
        return holder is not None and owner is not None and holder.key == owner.key

    def _is_own(self, stream: LiveStream, namespace: str) -> bool:
        """Whether a marked stream is the namespace's, or shared with it."""
        cluster, _, key = owner_of(stream).partition("/")
        is_here = cluster in self._clusters and key.partition("/")[0] == namespace
        return is_here or self.is_shared_with(owner_of(stream), namespace)

    def _resource_of(self, owner: str) -> Resource | None:
        """The CozeStream that a mark names, if it is one of this cluster's."""
        cluster, _, key = owner.partition("/")
        namespace, _, name = key.partition("/")
        if cluster != self._clusters[0]:
            return None
        return self._resources.get(Key(names.STREAM_KIND, namespace, name))


def _keeps_from(holder: Resource, namespace: str) -> bool:
    return holder.key.namespace != namespace and not shares(holder, namespace)
