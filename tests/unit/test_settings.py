"""Settings: what flags and variables mean, and that a bad value is named together with a remedy."""

import logging
from collections.abc import Callable

import pytest

from coze_nats import settings
from coze_nats.cli import make_parser
from coze_nats.core.resource import Key
from coze_nats.core.shards import Shard
from coze_nats.core.terms import Terms
from coze_nats.settings import InvalidSetting, Settings

NATS = {"NATS_SERVER_URL": "nats://nats:4222"}


def load(*arguments: str, **environ: str) -> Settings:
    """The settings that a command line and an environment make."""
    return Settings.load(make_parser().parse_args(["operator", *arguments]), NATS | environ)


def test_nothing_but_a_nats_url_is_needed() -> None:
    found = load()
    assert found.nats
    assert found.nats.servers == ("nats://nats:4222",)
    assert found.namespaces == ()
    assert found.resync_interval == 60
    assert (found.health_port, found.health_host) == (8080, "127.0.0.1")
    assert (found.log_format, found.log_level) == ("text", logging.INFO)
    assert found.kubeconfig == ""
    assert found.cluster_id == ""
    assert found.stream_replicas is None


def test_everything_can_be_set() -> None:
    found = load(
        *("--namespace=coze", "--namespace", "other", "--namespace=coze"),
        *("--resync-interval=5m", "--health-port=9000", "--cluster-id=blue"),
        *("--succeeds-cluster-id=red", "--succeeds-cluster-id=old"),
        *("--log-format=json", "--log-level=debug"),
        NATS_STREAM_REPLICAS="3",
        KUBECONFIG="/home/me/.kube/blue",
    )
    assert found.namespaces == ("coze", "other")
    assert found.resync_interval == 300
    assert found.health_port == 9000
    assert found.cluster_id == "blue"
    assert found.succeeds == ("red", "old")
    assert (found.log_format, found.log_level) == ("json", logging.DEBUG)
    assert found.stream_replicas == 3
    assert found.kubeconfig == "/home/me/.kube/blue"


def test_a_flag_wins_over_a_variable() -> None:
    assert load(COZE_NATS_CLUSTER_ID="green").cluster_id == "green"
    assert load("--cluster-id=blue", COZE_NATS_CLUSTER_ID="green").cluster_id == "blue"


def test_connections_lead_to_local_addresses_only_where_that_is_allowed() -> None:
    assert not load().allow_local
    assert load("--allow-local-servers").allow_local
    assert load(COZE_NATS_ALLOW_LOCAL_SERVERS="true").allow_local
    assert not load(COZE_NATS_ALLOW_LOCAL_SERVERS="false").allow_local
    with pytest.raises(InvalidSetting, match="COZE_NATS_ALLOW_LOCAL_SERVERS: 'yes' is neither"):
        load(COZE_NATS_ALLOW_LOCAL_SERVERS="yes")


def test_a_connection_can_take_the_place_of_the_operators_own() -> None:
    events = Key("CozeConnection", "platform", "events")
    for found in (
        load("--default-connection=platform/events"),
        load(COZE_NATS_DEFAULT_CONNECTION="platform/events"),
    ):
        assert found.default_connection == events
        assert found.own_nats is None
    assert load().own_nats == load().nats
    for wrong in ("events", "platform/", "/events", "Platform/events", "a/b/c"):
        with pytest.raises(InvalidSetting, match="write NAMESPACE/NAME"):
            load(COZE_NATS_DEFAULT_CONNECTION=wrong)


def test_policies_can_be_forbidden() -> None:
    found = load("--forbid-policy=adoption=Always", COZE_NATS_FORBIDDEN_POLICIES="dataLoss=Allow")
    assert found.forbidden_policies == {("adoption", "Always"), ("dataLoss", "Allow")}
    with pytest.raises(InvalidSetting, match="the careful value"):
        load(COZE_NATS_FORBIDDEN_POLICIES="dataLoss=Block")


def test_empty_variables_count_as_not_set() -> None:
    found = load(COZE_NATS_CLUSTER_ID="", NATS_STREAM_REPLICAS=" ")
    assert found.cluster_id == ""
    assert found.stream_replicas is None


def test_health_is_served_to_the_kubelet_in_a_pod_and_to_nobody_else_outside() -> None:
    assert load(KUBERNETES_SERVICE_HOST="10.96.0.1").health_host is None
    assert load("--health-port=0").health_port is None


@pytest.mark.parametrize(
    "text, seconds", [("30s", 30), ("5m", 300), ("1m30s", 90), ("90", 90), ("1500ms", 1.5)]
)
def test_intervals_are_durations_or_seconds(text: str, seconds: float) -> None:
    assert settings.interval(text) == seconds


@pytest.mark.parametrize(
    "parse, text, remedy",
    [
        (settings.interval, "soon", "'soon' is no duration; write a number and its unit"),
        (settings.interval, "", "write a number and its unit"),
        (settings.interval, "0", "the least is 1s"),
        (settings.interval, "-5s", "write a number and its unit"),
        (settings.port, "http", "'http' is no port; write a number up to 65535"),
        (settings.port, "65536", "write a number up to 65535"),
        (settings.port, "-1", "write a number up to 65535"),
        (settings.namespace, "a,b", "repeat --namespace"),
        (settings.namespace, "*", "repeat --namespace"),
        (settings.namespace, "", "is no namespace name"),
        (settings.namespace, "Coze", "is no namespace name"),
        (settings.cluster_id, "a/b", "letters, digits"),
        (settings.cluster_id, "x" * 64, "up to 63"),
        (settings.replicas, "0", "write 1 to 5"),
        (settings.replicas, "6", "write 1 to 5"),
        (settings.replicas, "three", "write 1 to 5"),
    ],
)
def test_a_bad_value_is_refused_with_a_remedy(
    parse: Callable[[str], object], text: str, remedy: str
) -> None:
    with pytest.raises(InvalidSetting) as raised:
        parse(text)
    assert remedy in str(raised.value)


@pytest.mark.parametrize(
    "variable, value", [("NATS_STREAM_REPLICAS", "9"), ("COZE_NATS_CLUSTER_ID", "a b")]
)
def test_a_bad_variable_is_named(variable: str, value: str) -> None:
    with pytest.raises(InvalidSetting, match=f"environment variable {variable}: '{value}'"):
        load(**{variable: value})


def test_without_a_nats_url_there_is_no_connection_of_the_operators_own() -> None:
    assert load(NATS_SERVER_URL="").nats is None


def test_a_login_without_a_nats_url_is_an_invalid_setting() -> None:
    with pytest.raises(InvalidSetting, match="set NATS_SERVER_URL"):
        load(NATS_SERVER_URL="", NATS_TOKEN="an-example")


def test_without_an_election_the_operator_is_alone() -> None:
    assert load().election is None
    assert load().shard is None


def test_an_election_is_held_by_a_lease_that_can_be_named() -> None:
    election = load("--leader-elect").election
    assert election
    assert (election.name, election.namespace) == ("coze-nats-operator", "")
    assert election.terms == Terms(duration=15, renew_within=10, retry_every=2)
    other = load(
        *("--leader-elect", "--lease-name=blue", "--lease-namespace=coze"),
        *("--lease-duration=1m", "--lease-renew-deadline=40", "--lease-retry-period=500ms"),
    ).election
    assert other
    assert (other.name, other.namespace) == ("blue", "coze")
    assert other.terms == Terms(duration=60, renew_within=40, retry_every=0.5)


def test_each_shard_has_a_lease_of_its_own() -> None:
    found = load("--shard=1/4")
    assert found.shard == Shard(1, 4)
    assert found.election
    assert found.election.name == "coze-nats-operator-1-of-4"
    assert found.election.lease == "coze-nats-operator", "which all shards hold together"
    assert found.election.shard == found.shard


@pytest.mark.parametrize(
    "flags, complaint",
    [
        (
            ("--leader-elect", "--lease-renew-deadline=15s"),
            "shorter than the lease duration",
        ),
        (("--shard=0/2", "--lease-duration=1500ms"), "whole seconds"),
    ],
)
def test_times_that_do_not_fit_together_are_refused(flags: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(InvalidSetting, match=complaint):
        load(*flags)


@pytest.mark.parametrize(
    "parse, text, complaint",
    [
        (settings.shard, "4/4", "numbered from 0 to 3"),
        (settings.lease_name, "Blue", "no name of a Lease"),
        (settings.seconds, "soon", "is no duration"),
    ],
)
def test_a_bad_value_of_several_operators_is_named(
    parse: Callable[[str], object], text: str, complaint: str
) -> None:
    with pytest.raises(InvalidSetting, match=complaint):
        parse(text)
