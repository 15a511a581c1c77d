"""How a connection stands, as its status tells it. Pure; connecting is not in here."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from coze_nats.core.conditions import Health, Outcome, conditions_of, handled_request
from coze_nats.core.errors import (
    NO_JETSTREAM,
    Denied,
    Failure,
    NotPermitted,
    Transient,
    Unavailable,
)
from coze_nats.core.live import Server
from coze_nats.core.login import Value
from coze_nats.core.names import Reason
from coze_nats.core.resource import Resource
from coze_nats.core.trouble import Trouble

_LIMITS = {
    "memory": "max_memory",
    "storage": "max_storage",
    "streams": "max_streams",
    "consumers": "max_consumers",
}

_REASONS = {
    Trouble.CREDENTIALS: Reason.CREDENTIALS_INVALID,
    Trouble.AUTHENTICATION: Reason.AUTHENTICATION_FAILED,
    Trouble.TLS: Reason.TLS_FAILED,
    Trouble.PERMISSION: Reason.PERMISSION_DENIED,
    Trouble.ADDRESS: Reason.ADDRESS_NOT_ALLOWED,
    Trouble.NONSENSE: Reason.SERVER_MISBEHAVES,
    Trouble.SILENT: Reason.JETSTREAM_SILENT,
    Trouble.UNREACHABLE: Reason.UNREACHABLE,
}


def connected(
    server: Server, *, hears: bool = True, unlisted: str = "", is_suspended: bool = False
) -> Outcome:
    """There is a session, and JetStream answers.

    Args:
        hears: whether the user may subscribe to JetStream's advisories.
        unlisted: what the user may not list, as the API calls it; "" for nothing.
        is_suspended: whether nothing is changed through the connection.
    """
    slower = (
        ""
        if hears
        else "; the user may not subscribe to $JS.EVENT.ADVISORY.>, so what others change is found "
        "by comparing everything now and then"
    )
    idle = "; nothing is changed through it, as spec.suspend is true" if is_suspended else ""
    one_by_one = (
        f"; the user may not request {unlisted}, so what others change is found by looking at each "
        "object by itself now and then: grant it, as thousands take long so"
        if unlisted
        else ""
    )
    message = f"connected to nats-server {server.version}{slower}{one_by_one}{idle}"
    return Outcome(Health.READY, Reason.CONNECTED, message)


def connecting() -> Outcome:
    """Nothing is known yet."""
    return Outcome(Health.RECONCILING, Reason.CONNECTING, "connecting for the first time")


def idle() -> Outcome:
    """It has worked, and nobody uses it, so there is no session."""
    message = (
        "it has worked, and no stream or consumer uses it: there is no session, and no Secret is "
        "read, until one does"
    )
    return Outcome(Health.READY, Reason.IDLE, message)


def too_many(most: int, namespace: str, share: int) -> Outcome:
    """The operator keeps no more sessions than these, and the namespace has its share of them.

    Args:
        most: sessions of the operator.
        share: connections of the namespace that have one.
    """
    message = (
        f"this operator keeps {most} connections (--max-connections), by namespace in turn, and "
        f"the {share} oldest of namespace {namespace} are among them: delete some that nobody "
        "needs, or have whoever runs the operator raise the limit or add a shard"
    )
    return Outcome(Health.STALLED, Reason.TOO_MANY_CONNECTIONS, message)


def not_connected(trouble: Trouble, words: str) -> Outcome:
    """There is no session, and this is why."""
    may_end = trouble in {Trouble.UNREACHABLE, Trouble.SILENT}
    health = Health.RECONCILING if may_end else Health.STALLED
    return Outcome(health, _REASONS[trouble], f"not connected: {words}")


def unusable(reason: Reason, words: str) -> Outcome:
    """There is nothing to log in with."""
    return Outcome(Health.STALLED, reason, words)


def unreadable(value: Value, namespace: str, failure: Failure) -> Outcome:
    """What it logs in with can't be read in the connection's namespace, whether it is there or not.

    Only words of a refusal are quoted: it comes before anybody has looked into a Secret.
    """
    document = value.document
    if isinstance(failure, NotPermitted):
        return Outcome(
            Health.STALLED,
            Reason.SECRET_FORBIDDEN,
            f"{value.field}: the operator may not read {document}: grant it the right to get "
            f"{document.kind.lower()}s in namespace {namespace}. {failure}",
        )
    return Outcome(
        Health.RECONCILING,
        Reason.RETRYING,
        f"{value.field}: the Kubernetes API server doesn't give {document} right now: see the "
        "operator's log for what it says",
        observed=False,
    )


def unread(outcome: Outcome, obstacle: Outcome | None) -> Outcome:
    """How a connection stands that goes on with what was read before.

    Args:
        outcome: how it stands apart from that.
        obstacle: why there is nothing newer, once that is worth to be told.
    """
    if obstacle and outcome.health is not Health.READY:
        return replace(outcome, message=f"{outcome.message}; {obstacle.message}", observed=False)
    if obstacle and obstacle.health is Health.STALLED:
        return replace(
            obstacle,
            message=f"{obstacle.message}; the connection goes on with what was read before",
        )
    return replace(outcome, observed=False)


def without_answer(failure: Failure) -> Outcome:
    """There is a session, but JetStream refuses to tell about the account."""
    match failure:
        case Unavailable():
            return Outcome(Health.RECONCILING, Reason.CONNECTING, "connecting anew")
        case Denied():
            return Outcome(Health.STALLED, Reason.PERMISSION_DENIED, str(failure))
        case Transient() if failure.err_code is None or failure.err_code in NO_JETSTREAM:
            # Without a code, nobody listens: also for a moment while a server starts.
            return _jetstream_disabled(failure)
        case _:
            return Outcome(
                Health.RECONCILING, Reason.RETRYING, f"JetStream can't answer right now: {failure}"
            )


def _jetstream_disabled(failure: Failure) -> Outcome:
    return Outcome(
        Health.STALLED,
        Reason.JETSTREAM_DISABLED,
        f"connected, but there is no JetStream for this user's account: {failure}; enable it on "
        "the server and for the account, or correct domain or apiPrefix",
    )


def in_use(outcome: Outcome, users: list[Resource]) -> Outcome:
    """The connection is being deleted and can't go yet."""
    named = ", ".join(f"{user.key.kind} {user.key.namespace}/{user.key.name}" for user in users[:3])
    more = f" and {len(users) - 3} more" if len(users) > 3 else ""  # noqa: PLR2004
    return Outcome(
        Health.RECONCILING,
        Reason.IN_USE,
        f"deletion waits for those that use this connection: {named}{more}"
        + ("" if outcome.health is Health.READY else f"; {outcome.reason}: {outcome.message}"),
    )


def still_going_on(outcome: Outcome) -> Outcome:
    """The session goes on although what it logged in with is no longer there, or refused."""
    return Outcome(
        outcome.health,
        outcome.reason,
        f"{outcome.message}; the session that was opened before goes on until it ends by itself",
    )


def connection_status(
    resource: Resource,
    outcome: Outcome,
    facts: Mapping[str, Any],
    now_ns: int,
) -> dict[str, Any]:
    """The whole status that the connection shall have.

    Args:
        facts: `server` and `account`, where they are known; else they stay as they were.
    """
    kept = {key: resource.status[key] for key in ("server", "account") if key in resource.status}
    return {
        "observedGeneration": resource.generation,
        "conditions": conditions_of(outcome, resource.status, resource.generation, now_ns),
        **handled_request(resource, outcome),
        **kept,
        **facts,
    }


def facts_of(server: Server, cluster: str, account: Mapping[str, Any]) -> dict[str, Any]:
    """What status tells of a connection that works.

    Args:
        cluster: name of the NATS cluster; "" for none.
        account: the answer of `$JS.API.INFO`.
    """
    about: dict[str, Any] = {"version": server.version, "apiLevel": server.api_level}
    tiers = {name: _uses(tier) for name, tier in (account.get("tiers") or {}).items()}
    return {
        "server": about | ({"cluster": cluster} if cluster else {}),
        "account": _uses(account) | ({"tiers": tiers} if tiers else {}),
    }


def _uses(found: Mapping[str, Any]) -> dict[str, Any]:
    limits = found.get("limits") or {}
    return {
        name: {"used": found.get(name, 0)}
        | ({"limit": limits[limit]} if limits.get(limit, -1) >= 0 else {})
        for name, limit in _LIMITS.items()
    }
