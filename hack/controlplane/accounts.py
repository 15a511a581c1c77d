"""NATS identities: NKeys, and an operator with accounts and users that log in by JWT.

What `nsc` makes on disk is made here in memory, for servers in operator mode with a memory
resolver. Passwords and tokens need nothing of this.
"""

import base64
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

import nkeys

UNLIMITED = -1
_LIMITS = {
    **dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf"), UNLIMITED),
    "wildcards": True,
}
_CREDS = """\
-----BEGIN NATS USER JWT-----
{jwt}
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
{seed}
------END USER NKEY SEED------
"""


class Key:
    """A new NKey: its seed, its public key, and JWTs signed with it."""

    def __init__(self, prefix: int = nkeys.PREFIX_BYTE_USER) -> None:
        self.seed = str(nkeys.encode_seed(secrets.token_bytes(32), prefix), "ascii")
        self._pair = nkeys.from_seed(bytearray(self.seed, "ascii"))
        self.public = str(self._pair.public_key, "ascii")

    def sign(self, subject: str, name: str, facts: Mapping[str, Any], **claims: Any) -> str:
        """A JWT about `subject`, a public key; `claims` such as exp are those of every JWT."""
        head = {"typ": "JWT", "alg": "ed25519-nkey"}
        body = {
            "jti": secrets.token_hex(8),
            "iat": int(time.time()),
            "iss": self.public,
            "sub": subject,
            "name": name,
            "nats": {**facts, "version": 2},
            **claims,
        }
        unsigned = ".".join(_base64(json.dumps(part).encode()) for part in (head, body))
        return f"{unsigned}.{_base64(self._pair.sign(unsigned.encode()))}"


class User:
    """A user of an account, with what it logs in with."""

    def __init__(self, key: Key, jwt: str) -> None:
        self.seed = key.seed
        self.public = key.public
        self.jwt = jwt

    @property
    def creds(self) -> str:
        """The text of its creds file."""
        return _CREDS.format(jwt=self.jwt, seed=self.seed)


class Account:
    """An account; `limits` are JetStream's: mem_storage, disk_storage, streams, consumer."""

    def __init__(self, name: str, limits: Mapping[str, int] | None = None) -> None:
        self.name = name
        self.limits = {**_LIMITS, **(limits or {})}
        self._key = Key(nkeys.PREFIX_BYTE_ACCOUNT)

    @property
    def public(self) -> str:
        return self._key.public

    def user(
        self,
        name: str = "test",
        *,
        key: Key | None = None,
        bearer: bool = False,
        lasts: float | None = None,
        publish: Sequence[str] = (),
        subscribe: Sequence[str] = (),
    ) -> User:
        """A user who may do what is listed, or everything; `lasts` is in seconds.

        With the key of another user, it is that user with a new JWT.
        """
        key = key or Key()
        facts = {
            "type": "user",
            "bearer_token": bearer,
            **dict.fromkeys(("subs", "data", "payload"), UNLIMITED),
            "pub": {"allow": list(publish)},
            "sub": {"allow": list(subscribe)},
        }
        claims = {} if lasts is None else {"exp": int(time.time() + lasts)}
        return User(key, self._key.sign(key.public, name, facts, **claims))


class Operator:
    """An operator, with a system account and the accounts that are added."""

    JETSTREAM: Mapping[str, int] = dict.fromkeys(
        ("mem_storage", "disk_storage", "streams", "consumer"), UNLIMITED
    )

    def __init__(self) -> None:
        self._key = Key(nkeys.PREFIX_BYTE_OPERATOR)
        self._system = Account("SYS")
        self._accounts = [self._system]

    def account(self, name: str, limits: Mapping[str, int] = JETSTREAM) -> Account:
        """A new account, by default with as much of JetStream as the servers have."""
        self._accounts.append(Account(name, limits))
        return self._accounts[-1]

    @property
    def config(self) -> str:
        """What servers need in their configuration to know the operator and its accounts."""
        operator = self._key.sign(self._key.public, "operator", {"type": "operator"})
        accounts = "\n".join(
            f"{each.public}: {self._key.sign(each.public, each.name, self._facts(each))}"
            for each in self._accounts
        )
        return f"""
            operator: {operator}
            system_account: {self._system.public}
            resolver: MEMORY
            resolver_preload: {{
              {accounts}
            }}
        """

    def _facts(self, account: Account) -> dict[str, Any]:
        return {"type": "account", "limits": account.limits}


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
