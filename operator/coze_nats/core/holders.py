"""What the resources of one connection have, kept with every change of one of them.

Whoever looks at one resource must not go through all of them: ten thousand looks would.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator
from typing import Generic, NamedTuple, TypeVar

from coze_nats.core import names
from coze_nats.core.grants import declared_bytes
from coze_nats.core.resource import Key, Resource
from coze_nats.core.subjects import A_NUMBER
from coze_nats.core.sums import Place, Sums

Holder = TypeVar("Holder", bound=Hashable)


class _Branch(Generic[Holder]):
    """The subjects that begin with the same tokens, and who holds the one that ends here."""

    __slots__ = ("branches", "holders")

    def __init__(self) -> None:
        self.branches: dict[str, _Branch[Holder]] = {}
        self.holders: dict[Holder, None] = {}

    def beyond(self) -> Iterator[Holder]:
        """Who holds a subject that goes on from here."""
        left = list(self.branches.values())
        while left:
            branch = left.pop()
            yield from branch.holders
            left.extend(branch.branches.values())

    def after(self, part: str) -> Iterator["_Branch[Holder]"]:
        """Where a token of a subject leads, which may be a wildcard or stand for any number."""
        if part not in ("*", A_NUMBER):
            yield from (self.branches[each] for each in (part, "*") if each in self.branches)
            return
        for each, branch in self.branches.items():
            if each != ">" and (part == "*" or each == "*" or each.isdigit()):
                yield branch


class Subjects(Generic[Holder]):
    """Subjects, which may have wildcards, and who holds them."""

    def __init__(self) -> None:
        self._root: _Branch[Holder] = _Branch()

    def add(self, subject: str, holder: Holder) -> None:
        branch = self._root
        for token in subject.split("."):
            branch = branch.branches.setdefault(token, _Branch())
        branch.holders[holder] = None

    def remove(self, subject: str, holder: Holder) -> None:
        """Take back what was added."""
        path, tokens = [self._root], subject.split(".")
        for token in tokens:
            path.append(path[-1].branches[token])
        del path[-1].holders[holder]
        for branch, token in zip(reversed(path[:-1]), reversed(tokens), strict=True):
            left = branch.branches[token]
            if left.branches or left.holders:
                break
            del branch.branches[token]

    def meeting(self, subject: str) -> Iterator[Holder]:
        """Who holds a subject that a message on this one can match; some may come twice."""
        places = [self._root]
        for part in subject.split("."):
            for place in places:
                if part == ">":
                    yield from place.beyond()
                elif ">" in place.branches:
                    yield from place.branches[">"].holders
            if part == ">":
                return
            places = [branch for place in places for branch in place.after(part)]
        for place in places:
            yield from place.holders


class _Has(NamedTuple):
    """What a resource has that others ask for.

    Attributes:
        subjects: those of a stream that is there.
        bytes: what a CozeStream declares.
        age: the older, the less.
    """

    subjects: tuple[str, ...]
    bytes: int
    age: Place


class Holders:
    """The users of one connection, by what they have."""

    def __init__(self) -> None:
        self._has: dict[Key, _Has] = {}
        self._namespaces: Counter[str] = Counter()
        self._subjects: Subjects[Key] = Subjects()
        self._bytes: defaultdict[str, Sums] = defaultdict(Sums)

    def __bool__(self) -> bool:
        return bool(self._has)

    def put(self, resource: Resource) -> None:
        """Note what a user has now."""
        key, has = resource.key, _had(resource)
        if self._has.get(key) == has:
            return
        self.remove(key)
        self._has[key] = has
        self._namespaces[key.namespace] += 1
        for subject in has.subjects:
            self._subjects.add(subject, key)
        if has.bytes:
            self._bytes[key.namespace].add(has.age, has.bytes)

    def remove(self, key: Key) -> None:
        """Forget a user, if it is known."""
        has = self._has.pop(key, None)
        if has is None:
            return
        for subject in has.subjects:
            self._subjects.remove(subject, key)
        if has.bytes:
            self._bytes[key.namespace].remove(has.age)
        self._namespaces[key.namespace] -= 1
        if not self._namespaces[key.namespace]:
            del self._namespaces[key.namespace]
            self._bytes.pop(key.namespace, None)

    def on(self, subject: str) -> Iterator[Key]:
        """Whose streams take what is published on a subject, which may have wildcards."""
        yield from dict.fromkeys(self._subjects.meeting(subject))

    def are_elsewhere(self, namespace: str) -> bool:
        """Whether any user is in another namespace than this one."""
        return len(self._namespaces) > (namespace in self._namespaces)

    def bytes_before(self, resource: Resource) -> int:
        """What older CozeStreams of its namespace declare as their maxBytes together."""
        sums = self._bytes.get(resource.key.namespace)
        return sums.before(_age(resource)) if sums else 0


def _had(resource: Resource) -> _Has:
    if resource.key.kind != names.STREAM_KIND:
        return _Has((), 0, ())
    effective = (resource.status.get("created") and resource.status.get("effective")) or {}
    subjects = tuple(dict.fromkeys(effective.get("subjects") or ()))
    return _Has(subjects, declared_bytes(resource.spec), _age(resource))


def _age(resource: Resource) -> Place:
    return resource.created_at, resource.key
