"""A CozeConnection in every state that it can be in, and who depends on one that can't be used.

What connecting finds out is given; how a resource stands because of it is the operator's own code.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from coze_nats.core.api.connection import ConnectionSpec
from coze_nats.core.conditions import Outcome
from coze_nats.core.connections import (
    connected,
    connecting,
    connection_status,
    facts_of,
    idle,
    in_use,
    not_connected,
    still_going_on,
    too_many,
    unreadable,
    unusable,
    without_answer,
)
from coze_nats.core.desired import InvalidField
from coze_nats.core.errors import Failure, NotPermitted, OutcomeUnknown, Transient
from coze_nats.core.intent import parsed
from coze_nats.core.live import Server
from coze_nats.core.login import SECRET, Document, UnusableLogin, login, values_of
from coze_nats.core.names import CONNECTION_KIND, STREAM_KIND, Reason
from coze_nats.core.references import Obstacle, forbidden, missing, not_ready
from coze_nats.core.resource import Key, Resource
from coze_nats.core.trouble import Trouble
from support.bench import NAMESPACE
from support.recorded_streams import UNSEEN_SAYS
from support.recording import GOING, HEALTHY, STUCK, WORKING, Play, Scenario, Stage

SECRET_REF = {"secretKeyRef": {"name": "nats", "key": "token"}}
SPEC = {"servers": ["nats://nats.example.com:4222"], "auth": {"token": SECRET_REF}}
OTHER = {**SPEC, "requestTimeout": "5s"}
WORKS = connected(Server("2.14.6", 4))
ACCOUNT = {"storage": 4096, "streams": 4, "consumers": 7, "limits": {"max_streams": 100}}
REFUSED = "nats://nats.example.com:4222: connection refused"
NO_ANSWER = OutcomeUnknown("no answer in 30 s")
NOBODY = Transient("nobody answers on $JS.API.INFO")
FORBIDDEN = NotPermitted('The Kubernetes API server answered 403: secrets "nats" is forbidden')
FAILING = Failure("The Kubernetes API server answered 500: Internal Server Error")


def _declared(stage: Stage, spec: Mapping[str, Any] = SPEC) -> Key:
    return stage.bench.kubernetes.apply(CONNECTION_KIND, NAMESPACE, "events", spec)


def _stored(stage: Stage, key: Key) -> Resource:
    return stage.bench.kubernetes.resources[key]


async def _standing(
    outcome: Outcome,
    stage: Stage,
    facts: Mapping[str, Any] | None = None,
    spec: Mapping[str, Any] = SPEC,
) -> Key:
    """A connection of which this outcome was reported."""
    key = _declared(stage, spec)
    now = stage.bench.clock.time_ns()
    status = connection_status(_stored(stage, key), outcome, facts or {}, now)
    await stage.bench.kubernetes.apply_status(_stored(stage, key), status)
    return key


def _after(outcome: Outcome) -> Play:
    return partial(_standing, outcome)


def _in(trouble: Trouble, words: str) -> Play:
    return _after(not_connected(trouble, words))


async def _connected(stage: Stage) -> Key:
    return await _standing(WORKS, stage, facts_of(Server("2.14.6", 4), "east", ACCOUNT))


async def _unseen(stage: Stage) -> Key:
    return _declared(stage)


async def _outdated(stage: Stage) -> Key:
    await _connected(stage)
    return _declared(stage, OTHER)


async def _in_use(stage: Stage) -> Key:
    user = await stage.stream()
    key = await _connected(stage)
    stage.bench.kubernetes.delete(key)
    return await _standing(in_use(WORKS, [_stored(stage, user)]), stage)


async def _no_secret(stage: Stage) -> Key:
    return await _without_login(stage, None)


async def _no_key(stage: Stage) -> Key:
    return await _without_login(stage, {"other": "x"})


async def _without_login(stage: Stage, data: Mapping[str, str] | None) -> Key:
    try:
        login(parsed(ConnectionSpec, SPEC), {Document(SECRET, "nats"): data})
    except UnusableLogin as error:
        return await _standing(unusable(error.reason, str(error)), stage)
    raise AssertionError("it can log in")


def _unreadable(failure: Failure) -> Play:
    (token,) = values_of(parsed(ConnectionSpec, SPEC))
    return _after(unreadable(token, NAMESPACE, failure))


async def _rotated_away(stage: Stage) -> Key:
    words = "auth.token: there is no Secret nats in this namespace"
    return await _standing(still_going_on(unusable(Reason.SECRET_NOT_FOUND, words)), stage)


async def _invalid_spec(stage: Stage) -> Key:
    newer = {**SPEC, "compression": "s2"}
    try:
        parsed(ConnectionSpec, newer)
    except InvalidField as error:
        return await _standing(unusable(Reason.INVALID_SPEC, str(error)), stage, spec=newer)
    raise AssertionError("it means something")


CONNECTIONS = tuple(
    Scenario(CONNECTION_KIND, *row)
    for row in (
        ("connected", HEALTHY, _connected),
        ("idle", HEALTHY, _after(idle())),
        ("unseen", WORKING, _unseen, UNSEEN_SAYS),
        ("outdated", WORKING, _outdated, UNSEEN_SAYS),
        ("connecting", WORKING, _after(connecting())),
        ("unreachable", WORKING, _in(Trouble.UNREACHABLE, REFUSED)),
        ("jetstream-silent", WORKING, _in(Trouble.SILENT, "JetStream answers nothing within 30 s")),
        ("retrying", WORKING, _after(without_answer(NO_ANSWER))),
        ("in-use", GOING, _in_use),
        ("invalid-spec", STUCK, _invalid_spec),
        ("secret-not-found", STUCK, _no_secret),
        ("secret-key-missing", STUCK, _no_key),
        ("secret-forbidden", STUCK, _unreadable(FORBIDDEN)),
        ("secret-unreadable", WORKING, _unreadable(FAILING)),
        ("secret-rotated-away", STUCK, _rotated_away),
        ("credentials-invalid", STUCK, _in(Trouble.CREDENTIALS, "the creds file has no seed")),
        ("authentication-failed", STUCK, _in(Trouble.AUTHENTICATION, "authorization violation")),
        ("tls-failed", STUCK, _in(Trouble.TLS, "the server's certificate is not accepted")),
        ("address-not-allowed", STUCK, _in(Trouble.ADDRESS, "127.0.0.1 is a loopback address")),
        ("too-many-connections", STUCK, _after(too_many(1000, NAMESPACE, 20))),
        ("server-misbehaves", STUCK, _in(Trouble.NONSENSE, "the answer to INFO is no JSON")),
        ("permission-denied", STUCK, _in(Trouble.PERMISSION, "it may not hear any answer")),
        ("jetstream-disabled", STUCK, _after(without_answer(NOBODY))),
    )
)


# --- who depends on it ----------------------------------------------------------------------------


async def _kept_out(stage: Stage, obstacle: Obstacle | None) -> Key:
    """A stream that can't use its connection."""
    assert obstacle
    key = stage.bench.stream("orders", connection={"name": "events"})
    stage.bench.hear()
    await stage.bench.context.reporter.report(_stored(stage, key), None, obstacle.outcome)
    return key


async def _connection_not_found(stage: Stage) -> Key:
    return await _kept_out(stage, missing(Key(CONNECTION_KIND, NAMESPACE, "events")))


async def _connection_not_ready(stage: Stage) -> Key:
    return await _kept_out(stage, not_ready(NAMESPACE, _stored(stage, _declared(stage))))


async def _connection_not_allowed(stage: Stage) -> Key:
    elsewhere = Key(CONNECTION_KIND, "platform", "events")
    return await _kept_out(stage, forbidden(NAMESPACE, elsewhere, None))


DEPENDENTS = (
    Scenario(STREAM_KIND, "connection-not-found", WORKING, _connection_not_found),
    Scenario(STREAM_KIND, "connection-not-ready", WORKING, _connection_not_ready),
    Scenario(STREAM_KIND, "connection-not-allowed", STUCK, _connection_not_allowed),
)
