"""Which of several operators looks after a connection, so that each has exactly one.

Resources are divided by connection: all that one NATS account is asked for comes from one operator,
with one idea of what that account can take.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

MOST_SHARDS = 64
"""More can only be a slip: a single operator looks after ten thousand resources."""

_SHARD = re.compile(r"(\d{1,3})/(\d{1,3})", re.ASCII)


class InvalidShard(ValueError):
    """This is no shard; the message says what would be."""


@dataclass(frozen=True, slots=True)
class Shard:
    """One of `count` operators that divide the connections among them.

    Attributes:
        index: 0 … count - 1, as the pods of a StatefulSet are numbered.
    """

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `<index>/<count>`, such as `0/4`; raises InvalidShard."""
        found = _SHARD.fullmatch(text)
        if not found:
            raise InvalidShard(f"{text!r} is no shard; write <index>/<count>, such as 0/4")
        index, count = map(int, found.groups())
        if not 1 <= count <= MOST_SHARDS:
            raise InvalidShard(f"{text!r}: there can be 1 to {MOST_SHARDS} shards")
        if index >= count:
            raise InvalidShard(f"{text!r}: {count} shards are numbered from 0 to {count - 1}")
        return cls(index, count)

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def holds(self, connection: str) -> bool:
        """Whether this shard looks after a connection.

        Args:
            connection: `<namespace>/<name>` of a CozeConnection, "" for the operator's own.
        """
        return owner(connection, self.count) == self.index


@lru_cache(maxsize=4096)
def owner(connection: str, count: int) -> int:
    """Index of the shard, of `count`, that looks after a connection.

    Rendezvous hashing: the shard with the highest weight for the connection has it. Weights don't
    depend on `count`, so one more shard takes its share from the others, who exchange nothing.
    """
    return max(range(count), key=lambda index: _weight(connection, index))


def _weight(connection: str, index: int) -> bytes:
    # A NUL is in no name, so that no two pairs are spelt alike.
    return hashlib.blake2b(f"{index}\0{connection}".encode(), digest_size=8).digest()
