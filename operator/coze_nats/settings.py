"""What the operator is told at its start, by flags and environment variables, checked once.

The parsers stand here, the flags and their help in `coze_nats.cli`.
"""

import argparse
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self, TypeVar

from coze_nats import logs
from coze_nats.core.codec import InvalidValue, parse_duration
from coze_nats.core.names import CONNECTION_KIND
from coze_nats.core.policies import UnknownPolicy, parse_default, parse_forbidden
from coze_nats.core.resource import Key
from coze_nats.core.shards import InvalidShard, Shard
from coze_nats.core.terms import InvalidTerms, Terms
from coze_nats.jetstream.environment import from_environment
from coze_nats.jetstream.options import ConnectionOptions, InvalidOptions

Value = TypeVar("Value")

LOG_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
CLUSTER_ID = "COZE_NATS_CLUSTER_ID"
STREAM_REPLICAS = "NATS_STREAM_REPLICAS"
DEFAULT_POLICIES = "COZE_NATS_DEFAULT_POLICIES"
FORBIDDEN_POLICIES = "COZE_NATS_FORBIDDEN_POLICIES"
DEFAULT_CONNECTION = "COZE_NATS_DEFAULT_CONNECTION"
ALLOW_LOCAL = "COZE_NATS_ALLOW_LOCAL_SERVERS"

_IN_A_POD = "KUBERNETES_SERVICE_HOST"
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_RESOURCE = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_CLUSTER_ID = re.compile(r"[A-Za-z0-9._-]{1,63}")
_SHORTEST_INTERVAL = 1.0
_MOST_REPLICAS = 5
_HIGHEST_PORT = 65535


class InvalidSetting(argparse.ArgumentTypeError):
    """A flag or variable has a value that can't be used; the message says what would be right."""


@dataclass(frozen=True, kw_only=True)
class Election:
    """The Leases by which it is decided who leads.

    Attributes:
        lease: what the names of Leases begin with.
        namespace: that they are in; "" means the operator's own.
        shard: the part that is contended for; None: everything.
    """

    lease: str = "coze-nats-operator"
    namespace: str = ""
    terms: Terms = field(default_factory=Terms)
    shard: Shard | None = None

    @property
    def name(self) -> str:
        """Of the Lease that one operator holds: each shard of each number has its own."""
        if self.shard is None:
            return self.lease
        return f"{self.lease}-{self.shard.index}-of-{self.shard.count}"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that can be set.

    Attributes:
        nats: how to reach NATS for resources that name no connection; None: they can't.
        kubeconfig: files that tell, outside of a pod, how to reach the cluster.
        namespaces: where resources are looked after; none named means everywhere.
        resync_interval: seconds between two comparisons of everything with JetStream.
        health_port: of /healthz and /readyz; None switches them off.
        health_host: address they listen on; None means all, for the kubelet to reach a pod.
        log_level: one of the logging module's.
        cluster_id: first part of the owner that is written into JetStream objects; "" means the UID
            of namespace kube-system.
        succeeds: ids of clusters whose place this one takes: what bears their marks is taken over.
        stream_replicas: of streams that name no number; None leaves it to the server.
        default_policies: by name, for resources that name none.
        forbidden_policies: names and values that count for no resource.
        default_connection: the CozeConnection of resources that name none; None: the operator's.
        dry_run: change nothing in JetStream.
        metrics_max_objects: of how many streams and consumers each has series of its own.
        allow_local: whether CozeConnections may lead to the operator's own machine or link.
        most_deletions: how many streams with messages of one namespace may be deleted in a minute;
            0: any number.
        most_connections: how many CozeConnections have a session; 0: as many as there can be.
        election: how operators of the same part agree who acts; None: there is no other.
    """

    nats: ConnectionOptions | None
    kubeconfig: str = ""
    namespaces: tuple[str, ...] = ()
    resync_interval: float = 60.0
    health_port: int | None = 8080
    health_host: str | None = "127.0.0.1"
    log_format: logs.Format = "text"
    log_level: int = logging.INFO
    cluster_id: str = ""
    succeeds: tuple[str, ...] = ()
    stream_replicas: int | None = None
    default_policies: Mapping[str, str] = field(default_factory=dict)
    forbidden_policies: frozenset[tuple[str, str]] = frozenset()
    default_connection: Key | None = None
    dry_run: bool = False
    allow_local: bool = False
    most_deletions: int = 0
    most_connections: int = 1000
    metrics_max_objects: int = 2000
    election: Election | None = None

    @property
    def own_nats(self) -> ConnectionOptions | None:
        """The operator's own connection; None where a CozeConnection takes its place."""
        return None if self.default_connection else self.nats

    @property
    def shard(self) -> Shard | None:
        """The part of the connections that is looked after; None: all of them."""
        return self.election.shard if self.election else None

    @classmethod
    def load(cls, arguments: argparse.Namespace, environ: Mapping[str, str]) -> Self:
        """Join parsed flags and the environment; a flag wins over a variable.

        Raises InvalidSetting.
        """
        try:
            nats = from_environment(environ)
        except InvalidOptions as error:
            raise InvalidSetting(str(error)) from error
        id_from_environment = _named(CLUSTER_ID, cluster_id, environ)
        return cls(
            nats=nats,
            kubeconfig=environ.get("KUBECONFIG", ""),
            namespaces=tuple(dict.fromkeys(arguments.namespace or ())),
            resync_interval=arguments.resync_interval,
            health_port=arguments.health_port or None,
            health_host=None if environ.get(_IN_A_POD) else "127.0.0.1",
            log_format=arguments.log_format,
            log_level=LOG_LEVELS[arguments.log_level],
            cluster_id=arguments.cluster_id or id_from_environment or "",
            succeeds=tuple(dict.fromkeys(arguments.succeeds_cluster_id or ())),
            stream_replicas=_named(STREAM_REPLICAS, replicas, environ),
            default_policies=_policies(arguments.default_policy, environ),
            forbidden_policies=frozenset(
                (
                    *(_named(FORBIDDEN_POLICIES, _forbidden_list, environ) or ()),
                    *(arguments.forbid_policy or ()),
                )
            ),
            default_connection=arguments.default_connection
            or _named(DEFAULT_CONNECTION, connection, environ),
            dry_run=arguments.dry_run,
            allow_local=arguments.allow_local_servers or bool(_named(ALLOW_LOCAL, switch, environ)),
            most_deletions=arguments.max_deletions_per_minute,
            most_connections=arguments.max_connections,
            metrics_max_objects=arguments.metrics_max_objects,
            election=_election(arguments),
        )


def switch(text: str) -> bool:
    """`true` or `false`."""
    if text not in ("true", "false"):
        raise InvalidSetting(f"{text!r} is neither true nor false")
    return text == "true"


def interval(text: str) -> float:
    """Seconds of `30s`, `5m`, `1m30s`, or of a plain number of seconds."""
    try:
        seconds = parse_duration(f"{text}s" if text.isdecimal() else text) / 1e9
    except InvalidValue as error:
        raise InvalidSetting(str(error)) from error
    if seconds < _SHORTEST_INTERVAL:
        raise InvalidSetting(f"{text!r} is too short; the least is 1s")
    return seconds


def port(text: str) -> int:
    """A TCP port, or 0."""
    if not text.isdecimal() or int(text) > _HIGHEST_PORT:
        raise InvalidSetting(f"{text!r} is no port; write a number up to 65535, or 0 for none")
    return int(text)


def namespace(text: str) -> str:
    """A namespace's name: no pattern, and not a list."""
    if not _NAMESPACE.fullmatch(text):
        raise InvalidSetting(
            f"{text!r} is no namespace name; for several namespaces, repeat --namespace"
        )
    return text


def cluster_id(text: str) -> str:
    """An identifier that is unique among the clusters that share a NATS system."""
    if not _CLUSTER_ID.fullmatch(text):
        raise InvalidSetting(
            f"{text!r} can't be a cluster id; write up to 63 letters, digits, '.', '_' or '-'"
        )
    return text


def replicas(text: str) -> int:
    """A number of replicas that a stream can have."""
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_REPLICAS:
        raise InvalidSetting(f"{text!r} is no number of replicas; write 1 to {_MOST_REPLICAS}")
    return int(text)


def policy(text: str) -> tuple[str, str]:
    """A default policy, `NAME=VALUE`."""
    try:
        return parse_default(text.strip())
    except UnknownPolicy as error:
        raise InvalidSetting(str(error)) from error


def deletions(text: str) -> int:
    """A number of deletions, or 0."""
    if not text.isdecimal():
        raise InvalidSetting(f"{text!r} is no number of deletions; write such as 10, or 0 for any")
    return int(text)


def connections(text: str) -> int:
    """A number of connections, or 0."""
    if not text.isdecimal():
        raise InvalidSetting(f"{text!r} is no number of connections; write such as 500, or 0")
    return int(text)


def objects(text: str) -> int:
    """A number of streams and consumers, or 0."""
    if not text.isdecimal():
        raise InvalidSetting(f"{text!r} is no number of objects; write such as 2000, or 0 for none")
    return int(text)


def shard(text: str) -> Shard:
    """A part of the connections, `<index>/<count>`."""
    try:
        return Shard.parse(text)
    except InvalidShard as error:
        raise InvalidSetting(str(error)) from error


def lease_name(text: str) -> str:
    """The name of a Lease, with room for the number of a shard."""
    if not _NAMESPACE.fullmatch(text):
        raise InvalidSetting(f"{text!r} is no name of a Lease; write lower case letters and '-'")
    return text


def seconds(text: str) -> float:
    """Seconds of `15s`, `1m`, `500ms`, or of a plain number of seconds."""
    try:
        return parse_duration(f"{text}s" if text.isdecimal() else text) / 1e9
    except InvalidValue as error:
        raise InvalidSetting(str(error)) from error


def _election(arguments: argparse.Namespace) -> Election | None:
    if not arguments.leader_elect and arguments.shard is None:
        return None
    try:
        terms = Terms(
            arguments.lease_duration, arguments.lease_renew_deadline, arguments.lease_retry_period
        )
    except InvalidTerms as error:
        raise InvalidSetting(str(error)) from error
    return Election(
        lease=arguments.lease_name,
        namespace=arguments.lease_namespace or "",
        terms=terms,
        shard=arguments.shard,
    )


def forbidden_policy(text: str) -> tuple[str, str]:
    """`NAME=VALUE` of a policy that no resource shall choose."""
    try:
        return parse_forbidden(text)
    except UnknownPolicy as error:
        raise InvalidSetting(str(error)) from error


def _forbidden_list(text: str) -> tuple[tuple[str, str], ...]:
    return tuple(map(forbidden_policy, text.split(",")))


def connection(text: str) -> Key:
    """`NAMESPACE/NAME` of a CozeConnection."""
    home, _, name = text.partition("/")
    if not _NAMESPACE.fullmatch(home) or not _RESOURCE.fullmatch(name):
        raise InvalidSetting(f"{text!r} is no CozeConnection: write NAMESPACE/NAME")
    return Key(CONNECTION_KIND, home, name)


def _policies(
    flags: Iterable[tuple[str, str]] | None, environ: Mapping[str, str]
) -> Mapping[str, str]:
    named = _named(DEFAULT_POLICIES, lambda text: dict(map(policy, text.split(","))), environ)
    return {**(named or {}), **dict(flags or ())}


def _named(
    variable: str, parse: Callable[[str], Value], environ: Mapping[str, str]
) -> Value | None:
    """The variable's parsed value; None if it is not set or empty."""
    text = environ.get(variable, "").strip()
    try:
        return parse(text) if text else None
    except InvalidSetting as error:
        raise InvalidSetting(f"environment variable {variable}: {error}") from error
