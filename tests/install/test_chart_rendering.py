"""What the chart renders for which values, without a cluster."""

import copy
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

import manifests
from coze_nats import cli
from coze_nats.core import names
from coze_nats.core.names import CONNECTION_KIND
from coze_nats.core.resource import Key
from coze_nats.core.shards import Shard
from coze_nats.core.terms import Terms
from coze_nats.settings import Election, Settings
from support.helm import CHART, Document, Helm, HelmError

ROOT = CHART.parents[1]
ALWAYS = {"metrics": {"renderMode": "alwaysRender"}}

EVERYTHING: dict[str, Any] = {
    "watchNamespaces": ["shop", "billing"],
    "clusterId": "blue",
    "succeedsClusterIds": ["red", "old"],
    "defaultConnection": "platform/events",
    "allowLocalServers": True,
    "forbiddenPolicies": ["dataLoss=Allow", "adoption=Always"],
    "resyncInterval": "5m",
    "dryRun": True,
    "maxDeletionsPerMinute": 7,
    "maxConnections": 50,
    "policies": {"deletion": "Retain", "adoption": "Never", "missing": "Hold"},
    "log": {"format": "text", "level": "debug"},
    "leaderElection": {
        "leaseName": "coze",
        "leaseDuration": "30s",
        "renewDeadline": "20s",
        "retryPeriod": "5s",
    },
    "replicas": 2,
    "connection": {
        "servers": ["tls://a:4222", "tls://b:4222"],
        "existingSecret": "studio",
        "auth": {"username": "coze", "password": "s3cret"},
        "tls": {
            "ca": {"configMapName": "authorities", "key": "all.pem"},
            "certificate": {"secretName": "client"},
            "serverName": "nats.example.com",
            "handshakeFirst": True,
        },
        "domain": "hub",
        "requestTimeout": "10s",
        "streamReplicas": 3,
    },
    "image": {"repository": "registry.example.com/coze", "digest": f"sha256:{'0' * 64}"},
    "imagePullSecrets": [{"name": "registry"}],
    "global": {"imagePullSecrets": [{"name": "of-all"}], "more": 1},
    "extraPodSpec": {"dnsPolicy": "Default", "hostAliases": []},
    "revisionHistoryLimit": 3,
    "strategy": {"type": "Recreate"},
    "healthPort": 9000,
    "terminationGracePeriodSeconds": 60,
    "podDisruptionBudget": {"enabled": True, "minAvailable": "50%"},
    "topologySpreadConstraints": [
        {
            "maxSkew": 1,
            "topologyKey": "topology.kubernetes.io/zone",
            "whenUnsatisfiable": "ScheduleAnyway",
        }
    ],
    "affinity": {"nodeAffinity": {}},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"operator": "Exists"}],
    "priorityClassName": "system-cluster-critical",
    "podLabels": {"team": "platform"},
    "podAnnotations": {"note": "here"},
    "commonLabels": {"cost": "shared"},
    "deploymentAnnotations": {"reloader": "on"},
    "extraEnv": [{"name": "TZ", "value": "UTC"}],
    "extraEnvFrom": [{"configMapRef": {"name": "more"}}],
    "extraArgs": ["--max-deletions-per-minute=8"],
    "extraVolumes": [{"name": "more", "emptyDir": {}}],
    "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
    "extraObjects": [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-more"}},
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: as-text}",
    ],
    "serviceAccount": {"annotations": {"role": "arn:example"}, "labels": {"azure": "yes"}},
    "networkPolicy": {"enabled": True, "ingressFrom": [{"podSelector": {}}]},
    "metrics": {
        "maxObjects": 10,
        "renderMode": "alwaysRender",
        "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "podMonitor": {"enabled": True, "scrapeTimeout": "10s"},
    },
    "connections": {"events": {"spec": {"servers": ["nats://events:4222"]}}},
    "streams": {"orders": {"annotations": {"wave": "1"}, "spec": {"subjects": ["orders.>"]}}},
    "consumers": {"billing": {"spec": {"streamRef": {"name": "orders"}}}},
}
"""Every value that changes what is rendered, and that does without files of others."""


def only(documents: list[Document], kind: str, name: str = "") -> Document:
    """The one document of that kind, and of that name if one is given."""
    (found,) = [
        item for item in documents if item["kind"] == kind and item["metadata"]["name"] == name
    ] or [item for item in documents if item["kind"] == kind and not name]
    return found


def containers(deployment: Document) -> list[dict[str, Any]]:
    return list(deployment["spec"]["template"]["spec"]["containers"])


def container(documents: list[Document]) -> dict[str, Any]:
    (found,) = containers(only(documents, "Deployment"))
    return found


def settings(documents: list[Document]) -> Settings:
    """What the operator itself makes of the container's arguments, and variables but for files."""
    found = container(documents)
    variables = {
        item["name"]: item["value"]
        for item in found.get("env", [])
        if not item["value"].startswith("/etc/")
    }
    return Settings.load(cli.make_parser().parse_args(found["args"]), variables)


def kinds(documents: list[Document]) -> list[str]:
    return sorted({item["kind"] for item in documents})


@pytest.fixture(scope="module")
def usual(offline: Helm) -> list[Document]:
    return offline.render({"connection": {"servers": ["nats://nats.nats:4222"]}})


@pytest.fixture(scope="module")
def everything(offline: Helm) -> list[Document]:
    return offline.render(EVERYTHING)


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["defaults", "everything"])
def test_helm_lint_has_no_complaint(offline: Helm, values: Mapping[str, Any]) -> None:
    told = offline("lint", "--strict", CHART, values=values)
    assert "0 chart(s) failed" in told
    assert "[WARNING]" not in told


def test_the_usual_release_has_these_objects(usual: list[Document]) -> None:
    ours = [item for item in usual if "helm.sh/hook" not in item["metadata"].get("annotations", {})]
    assert sorted((item["kind"], item["metadata"]["name"]) for item in ours) == [
        ("ClusterRole", "coze-nats-edit"),
        ("ClusterRole", "coze-nats-operator"),
        ("ClusterRole", "coze-nats-view"),
        ("ClusterRoleBinding", "coze-nats-operator"),
        *(
            ("CustomResourceDefinition", f"{p}.{names.GROUP}")
            for p in sorted(names.PLURALS.values())
        ),
        ("Deployment", "coze-nats-operator"),
        ("Role", "coze-nats-operator-leases"),
        ("RoleBinding", "coze-nats-operator-leases"),
        ("Service", "coze-nats-operator"),
        ("ServiceAccount", "coze-nats-operator"),
    ]


def test_the_crds_are_those_of_the_repository_to_the_last_character(usual: list[Document]) -> None:
    for plural in names.PLURALS.values():
        file = ROOT / "crds" / f"{plural}.{names.GROUP}.yaml"
        wanted = yaml.safe_load(file.read_text("utf-8"))
        found = copy.deepcopy(only(usual, "CustomResourceDefinition", wanted["metadata"]["name"]))
        added = found["metadata"]
        assert added.pop("annotations") == {"helm.sh/resource-policy": "keep"}
        assert added.pop("labels")["app.kubernetes.io/part-of"] == "coze-nats"
        assert found == wanted


@pytest.mark.parametrize(
    "crds, count, kept",
    [
        ({"enabled": False}, 0, set()),
        ({"keep": False}, len(names.PLURALS), {None}),
        ({"keep": True, "annotations": {"a": "b"}}, len(names.PLURALS), {"keep"}),
    ],
)
def test_the_crds_can_be_left_out_and_need_not_be_kept(
    offline: Helm, crds: dict[str, Any], count: int, kept: set[str | None]
) -> None:
    found = [
        item["metadata"]
        for item in offline.render({"crds": crds})
        if item["kind"] == "CustomResourceDefinition"
    ]
    assert len(found) == count
    policies = [item.get("annotations", {}).get("helm.sh/resource-policy") for item in found]
    assert set(policies) == kept


def test_the_manifests_are_rendered_from_the_chart() -> None:
    stale = [
        path.name for path, text in manifests.rendered().items() if path.read_text("utf-8") != text
    ]
    assert stale == [], "run `make generate`"


def test_the_version_is_that_of_the_package(usual: list[Document]) -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    assert f'\nversion = "{chart["version"]}"\n' in project
    assert chart["appVersion"] == chart["version"]
    image = container(usual)["image"]
    assert image.endswith(f":{chart['version']}")
    assert image in chart["annotations"]["artifacthub.io/images"]


def test_artifact_hub_is_told_every_kind_with_an_example() -> None:
    annotations = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))["annotations"]
    listed = yaml.safe_load(annotations["artifacthub.io/crds"])
    assert [item["kind"] for item in listed] == list(names.PLURALS)
    examples = yaml.safe_load(annotations["artifacthub.io/crdsExamples"])
    assert [item["kind"] for item in examples] == list(names.PLURALS)


# --- the operator ---------------------------------------------------------------------------------


def test_with_defaults_the_operator_has_the_settings_that_it_has_anyway(
    offline: Helm, usual: list[Document]
) -> None:
    found = settings(usual)
    assert found.nats
    assert found.nats.servers == ("nats://nats.nats:4222",)
    parsed = cli.make_parser().parse_args(["operator"])
    plain = Settings.load(parsed, {"NATS_SERVER_URL": "nats://nats.nats:4222"})
    different = {
        name
        for name in Settings.__dataclass_fields__
        if getattr(found, name) != getattr(plain, name)
    }
    assert different == {"log_format", "election"}
    assert found.election == Election()


def test_every_value_arrives_in_the_operator(everything: list[Document]) -> None:
    found = settings(everything)
    assert found.namespaces == ("shop", "billing")
    assert found.cluster_id == "blue"
    assert found.succeeds == ("red", "old")
    assert found.default_connection == Key(CONNECTION_KIND, "platform", "events")
    assert found.allow_local
    assert set(found.forbidden_policies) == {("dataLoss", "Allow"), ("adoption", "Always")}
    assert found.resync_interval == 300
    assert found.dry_run
    assert found.most_deletions == 8, "extraArgs come last"
    assert found.most_connections == 50
    assert found.default_policies == {"deletion": "Retain", "adoption": "Never", "missing": "Hold"}
    assert found.log_format == "text"
    assert found.election
    assert (found.election.name, found.election.terms) == ("coze", Terms(30, 20, 5))
    assert found.health_port == 9000
    assert found.metrics_max_objects == 10
    assert found.stream_replicas == 3


def test_every_flag_of_the_operator_has_a_value(offline: Helm, everything: list[Document]) -> None:
    usage = cli.make_parser().parse_args(["operator"])
    sharded = only(offline.render({"shards": 2}), "Deployment", "coze-nats-operator-0")
    words = [*container(everything)["args"], *containers(sharded)[0]["args"]]
    given = {word.removeprefix("--").partition("=")[0] for word in words}
    flags = {name.replace("_", "-") for name in vars(usage) if name != "command"}
    # The Lease is in the pod's own namespace, also when an overlay moves the pod.
    assert flags - {"lease-namespace"} == given - {"operator"}


def test_the_connection_is_told_in_coze_studios_variables(everything: list[Document]) -> None:
    found = container(everything)
    assert {item["name"]: item["value"] for item in found["env"]} == {
        "NATS_SERVER_URL": "tls://a:4222,tls://b:4222",
        "NATS_CA": "/etc/coze-nats/ca/all.pem",
        "NATS_CERT": "/etc/coze-nats/certificate/tls.crt",
        "NATS_KEY": "/etc/coze-nats/certificate/tls.key",
        "NATS_TLS_SERVER_NAME": "nats.example.com",
        "NATS_TLS_FIRST": "true",
        "NATS_JS_DOMAIN": "hub",
        "NATS_TIMEOUT": "10s",
        "NATS_STREAM_REPLICAS": "3",
        "TZ": "UTC",
    }
    assert found["envFrom"] == [
        {"secretRef": {"name": "studio"}},
        {"secretRef": {"name": "coze-nats-operator-connection"}},
        {"configMapRef": {"name": "more"}},
    ]
    mounts = {item["name"]: item["mountPath"] for item in found["volumeMounts"]}
    volumes = only(everything, "Deployment")["spec"]["template"]["spec"]["volumes"]
    assert {item["name"] for item in volumes} == set(mounts)
    assert mounts.keys() - {"more"} == {
        item["name"] for item in found["volumeMounts"] if item.get("readOnly")
    }
    assert mounts["certificate"] == "/etc/coze-nats/certificate"
    assert {"name": "ca", "configMap": {"name": "authorities"}} in volumes


FILES = {
    "creds": ({"secretName": "creds"}, "NATS_CREDS", "/etc/coze-nats/creds/user.creds"),
    "nkey": (
        {"secretName": "seed", "key": "user.nk"},
        "NATS_NKEY_SEED",
        "/etc/coze-nats/nkey/user.nk",
    ),
}


@pytest.mark.parametrize("way", FILES)
def test_a_file_to_log_in_with_is_mounted_and_its_path_told(offline: Helm, way: str) -> None:
    values, variable, path = FILES[way]
    found = container(offline.render({"connection": {way: values}}))
    assert {"name": variable, "value": path} in found["env"]
    (mount,) = found["volumeMounts"]
    assert path.startswith(f"{mount['mountPath']}/")
    assert mount["readOnly"]


def test_every_variable_of_the_connection_has_a_value(
    offline: Helm, everything: list[Document], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        cli.main(["operator", "--help"])
    known = {
        word.strip(",")
        for word in capsys.readouterr().out.split()
        if word.startswith("NATS_") and "=" not in word
    }
    prefixed = offline.render({"connection": {"apiPrefix": "JS.hub.API"}})
    logins = [{"token": "t"}, {"username": "u", "password": "p"}, {"jwt": "j"}]
    rendered = (offline.render({"connection": {"auth": login}}) for login in logins)
    secrets = {name for found in rendered for name in only(found, "Secret")["stringData"]}
    given = {item["name"] for found in (everything, prefixed) for item in container(found)["env"]}
    files = {variable for _, variable, _ in FILES.values()}
    assert known == (given | secrets | files) - {"TZ"}


def test_credentials_in_values_stand_in_a_secret_and_nowhere_else(
    everything: list[Document],
) -> None:
    secret = only(everything, "Secret")
    assert secret["stringData"] == {"NATS_USERNAME": "coze", "NATS_PASSWORD": "s3cret"}
    assert "s3cret" not in yaml.safe_dump([item for item in everything if item != secret])


def test_new_credentials_make_new_pods(offline: Helm) -> None:
    def template(password: str) -> Any:
        auth = {"username": "coze", "password": password}
        return only(offline.render({"connection": {"auth": auth}}), "Deployment")["spec"][
            "template"
        ]

    assert template("one") != template("two")
    assert template("one") == template("one")


@pytest.mark.parametrize(
    "image, shown",
    [
        ({}, "ghcr.io/coze-dev/coze-nats-operator:0.1.0"),
        ({"repository": "here:5000/op", "tag": "dev"}, "here:5000/op:dev"),
        (
            {"tag": "dev", "digest": f"sha256:{'a' * 64}"},
            f"ghcr.io/coze-dev/coze-nats-operator@sha256:{'a' * 64}",
        ),
    ],
)
def test_the_image_is_named_by_tag_or_by_digest(
    offline: Helm, image: dict[str, str], shown: str
) -> None:
    assert container(offline.render({"image": image}))["image"] == shown


def test_one_registry_can_stand_for_those_of_all_images(offline: Helm) -> None:
    found = offline.render({"global": {"imageRegistry": "mirror.example.com/proxy"}})
    pod = only(found, "Pod")["spec"]["containers"][0]
    assert container(found)["image"].startswith(
        "mirror.example.com/proxy/coze-dev/coze-nats-operator:"
    )
    assert pod["image"].startswith("mirror.example.com/proxy/alpine/kubectl:")


@pytest.mark.parametrize(
    "image, shown",
    [
        ({}, f"ghcr.io/coze-dev/coze-nats-operator:0.1.0@sha256:{'b' * 64}"),
        ({"tag": "dev"}, "ghcr.io/coze-dev/coze-nats-operator:dev"),
        (
            {"digest": f"sha256:{'a' * 64}"},
            f"ghcr.io/coze-dev/coze-nats-operator@sha256:{'a' * 64}",
        ),
    ],
)
def test_a_released_chart_names_its_image_by_digest_unless_another_one_is_chosen(
    offline: Helm, tmp_path: Path, image: dict[str, str], shown: str
) -> None:
    chart = Path(shutil.copytree(CHART, tmp_path / "chart"))
    about = yaml.safe_load((chart / "Chart.yaml").read_text())
    about["annotations"]["coze.dev/image-digest"] = f"sha256:{'b' * 64}"
    (chart / "Chart.yaml").write_text(yaml.safe_dump(about))
    rendered = offline("template", "it", chart, values={"image": image})
    documents = [found for found in yaml.safe_load_all(rendered) if found]
    assert container(documents)["image"] == shown


def test_all_wishes_about_pods_reach_them(everything: list[Document]) -> None:
    deployment = only(everything, "Deployment")
    template = deployment["spec"]["template"]
    pod = template["spec"]
    assert deployment["metadata"]["annotations"] == {"reloader": "on"}
    assert template["metadata"]["labels"]["team"] == "platform"
    assert template["metadata"]["annotations"]["note"] == "here"
    assert pod["imagePullSecrets"] == [{"name": "of-all"}, *EVERYTHING["imagePullSecrets"]]
    assert (pod["dnsPolicy"], pod["hostAliases"]) == ("Default", [])
    assert deployment["spec"]["revisionHistoryLimit"] == 3
    account = only(everything, "ServiceAccount", "coze-nats-operator")
    assert account["metadata"]["labels"]["azure"] == "yes"
    assert pod["terminationGracePeriodSeconds"] == 60
    for name in ("affinity", "nodeSelector", "tolerations", "priorityClassName"):
        assert pod[name] == EVERYTHING[name]
    (spread,) = pod["topologySpreadConstraints"]
    assert spread["labelSelector"] == deployment["spec"]["selector"]
    assert container(everything)["ports"] == [{"name": "health", "containerPort": 9000}]
    assert {"name": "more", "mountPath": "/more"} in container(everything)["volumeMounts"]


@pytest.mark.parametrize("found", ["usual", "everything"])
def test_every_object_can_be_found_by_its_labels(
    found: str, request: pytest.FixtureRequest
) -> None:
    documents: list[Document] = request.getfixturevalue(found)
    for item in documents:
        if item["metadata"]["name"] in ("coze-nats-operator-more", "as-text"):
            continue
        labels = item["metadata"]["labels"]
        assert labels["app.kubernetes.io/instance"] == "coze-nats-operator"
        assert labels["app.kubernetes.io/managed-by"] == "Helm"
        assert labels.get("cost") == ("shared" if found == "everything" else None)


def test_what_selects_pods_finds_the_operators_and_not_those_of_helm_test(
    everything: list[Document],
) -> None:
    deployment = only(everything, "Deployment")
    wanted = deployment["spec"]["selector"]["matchLabels"].items()
    assert wanted <= deployment["spec"]["template"]["metadata"]["labels"].items()
    assert not wanted <= only(everything, "Pod")["metadata"]["labels"].items()
    selectors: dict[str, Callable[[Document], Any]] = {
        "Service": lambda found: found["spec"]["selector"],
        "PodDisruptionBudget": lambda found: found["spec"]["selector"]["matchLabels"],
        "NetworkPolicy": lambda found: found["spec"]["podSelector"]["matchLabels"],
        "PodMonitor": lambda found: found["spec"]["selector"]["matchLabels"],
        "ServiceMonitor": lambda found: found["spec"]["selector"]["matchLabels"],
    }
    for kind, selector in selectors.items():
        assert selector(only(everything, kind)).items() == wanted, kind


def test_no_label_of_the_user_hides_a_pod_from_its_selector(offline: Helm) -> None:
    ours = {"app.kubernetes.io/name": "mine", "app.kubernetes.io/part-of": "shop"}
    found = offline.render({"commonLabels": ours, "podLabels": ours})
    deployment = only(found, "Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert labels["app.kubernetes.io/part-of"] == "shop"
    assert deployment["metadata"]["labels"]["app.kubernetes.io/part-of"] == "shop"


def test_a_spread_constraint_with_a_selector_of_its_own_keeps_it(offline: Helm) -> None:
    given = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app.kubernetes.io/name": "coze-nats-operator"}},
    }
    found = offline.render({"shards": 2, "topologySpreadConstraints": [given]})
    for index in range(2):
        pod = only(found, "Deployment", f"coze-nats-operator-{index}")["spec"]["template"]["spec"]
        assert pod["topologySpreadConstraints"] == [given]


def test_values_of_a_release_that_knew_no_shards_render_its_one_deployment(offline: Helm) -> None:
    """As `helm upgrade --reuse-values` does."""
    assert only(offline.render({"shards": None}), "Deployment")


def test_an_operator_that_is_not_ready_is_scraped_too(usual: list[Document]) -> None:
    assert only(usual, "Service")["spec"]["publishNotReadyAddresses"] is True


# --- several operators ----------------------------------------------------------------------------


def test_only_with_a_lease_two_operators_may_overlap(offline: Helm) -> None:
    alone = offline.render({"leaderElection": {"enabled": False}})
    assert only(alone, "Deployment")["spec"]["strategy"] == {"type": "Recreate"}
    assert settings(alone).election is None
    assert not [item for item in alone if item["metadata"]["name"].endswith("-leases")]
    elected = offline.render({"replicas": 3})
    strategy = only(elected, "Deployment")["spec"]["strategy"]
    assert strategy == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
    }
    assert only(elected, "Deployment")["spec"]["replicas"] == 3


def test_each_shard_has_a_deployment_a_lease_and_a_budget_of_its_own(offline: Helm) -> None:
    values = {"shards": 3, "podDisruptionBudget": {"enabled": True}}
    found = offline.render(values)
    deployments = [item for item in found if item["kind"] == "Deployment"]
    assert len(deployments) == 3
    selectors = [item["spec"]["selector"]["matchLabels"] for item in deployments]
    leases = set()
    for index, deployment in enumerate(deployments):
        name = f"coze-nats-operator-{index}"
        assert deployment["metadata"]["name"] == name
        told = settings([deployment])
        assert told.shard == Shard(index, 3)
        assert told.election
        leases |= {told.election.name, told.election.lease}
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        chosen = [selector for selector in selectors if selector.items() <= labels.items()]
        assert chosen == [selectors[index]]
        budget = only(found, "PodDisruptionBudget", name)
        assert budget["spec"]["selector"]["matchLabels"] == selectors[index]
    role = only(found, "Role", "coze-nats-operator-leases")
    (named,) = [rule["resourceNames"] for rule in role["rules"] if "resourceNames" in rule]
    assert set(named) == leases
    assert only(found, "Service")["spec"]["selector"].items() < selectors[0].items()


# --- rights ---------------------------------------------------------------------------------------


def test_for_named_namespaces_there_are_roles_in_these_and_nothing_in_the_cluster(
    offline: Helm,
) -> None:
    found = offline.render({"watchNamespaces": ["shop", "billing"], "clusterId": "blue"})
    owners = [item for item in found if item["metadata"]["name"] == "coze-nats-operator"]
    assert {item["kind"] for item in owners} & {"ClusterRole", "ClusterRoleBinding"} == set()
    roles = [item for item in owners if item["kind"] in ("Role", "RoleBinding")]
    assert sorted(item["metadata"]["namespace"] for item in roles) == [
        "billing",
        "billing",
        "shop",
        "shop",
    ]


def test_without_a_cluster_id_the_one_right_in_the_cluster_is_to_look_it_up(offline: Helm) -> None:
    found = offline.render({"watchNamespaces": ["shop"]})
    role = only(found, "ClusterRole", "coze-nats-operator")
    assert role["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["namespaces"],
            "resourceNames": ["kube-system"],
            "verbs": ["get"],
        }
    ]


def test_rights_and_account_can_be_those_of_somebody_else(offline: Helm) -> None:
    values = {
        "rbac": {"create": False, "aggregateToUserRoles": False},
        "serviceAccount": {"create": False, "name": "theirs"},
        "test": {"enabled": False},
    }
    found = offline.render(values)
    assert kinds(found) == ["CustomResourceDefinition", "Deployment", "Service"]
    pod = only(found, "Deployment")["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "theirs"


# --- monitoring and network -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ServiceMonitor", "PodMonitor", "PrometheusRule"])
def test_what_prometheus_operator_serves_is_made_where_it_is_served_or_when_forced(
    offline: Helm, kind: str
) -> None:
    section = kind[0].lower() + kind[1:]

    def rendered(mode: str, *words: str) -> list[str]:
        values = {"metrics": {"renderMode": mode, section: {"enabled": True}}}
        return kinds(offline.render(values, *words))

    served = f"--api-versions=monitoring.coreos.com/v1/{kind}"
    assert kind not in rendered("skipIfMissing")
    assert kind in rendered("skipIfMissing", served)
    assert kind in rendered("failIfMissing", served)
    assert kind in rendered("alwaysRender")
    with pytest.raises(HelmError, match=f"doesn't serve monitoring.coreos.com/v1/{kind}"):
        rendered("failIfMissing")


def test_alerts_and_dashboard_are_the_files_to_the_last_character(offline: Helm) -> None:
    """What is in braces in them is for Prometheus and Grafana, not for Helm."""
    metrics = {
        "renderMode": "alwaysRender",
        "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
        "dashboard": {
            "enabled": True,
            "namespace": "monitoring",
            "annotations": {"folder": "NATS"},
        },
    }
    found = offline.render({"metrics": metrics})
    rule = only(found, "PrometheusRule")
    assert rule["spec"] == yaml.safe_load((CHART / "files" / "alerts.yaml").read_text("utf-8"))
    assert rule["metadata"]["labels"]["release"] == "prometheus"
    dashboard = only(found, "ConfigMap")
    (text,) = dashboard["data"].values()
    assert text == (CHART / "files" / "dashboard.json").read_text("utf-8").strip()
    assert dashboard["metadata"]["namespace"] == "monitoring"
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert dashboard["metadata"]["annotations"] == {"folder": "NATS"}


def test_prometheus_keeps_the_labels_that_name_resources(everything: list[Document]) -> None:
    (endpoint,) = only(everything, "ServiceMonitor")["spec"]["endpoints"]
    (pods,) = only(everything, "PodMonitor")["spec"]["podMetricsEndpoints"]
    for found in (endpoint, pods):
        assert (found["port"], found["path"]) == ("health", "/metrics")
        assert found["honorLabels"] is True
    assert pods["scrapeTimeout"] == "10s"


def test_the_network_policy_lets_in_who_scrapes_and_out_what_is_needed(
    offline: Helm, everything: list[Document]
) -> None:
    spec = only(everything, "NetworkPolicy")["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert spec["ingress"] == [
        {"ports": [{"port": "health", "protocol": "TCP"}], "from": [{"podSelector": {}}]}
    ]
    ports = [port["port"] for rule in spec["egress"] for port in rule["ports"]]
    assert ports == [53, 53, 443, 6443, 4222]
    other = offline.render(
        {
            "networkPolicy": {"enabled": True},
            "connection": {"servers": ["nats://a:5222", "tls://b"]},
        }
    )
    named = [
        port["port"]
        for rule in only(other, "NetworkPolicy")["spec"]["egress"]
        for port in rule["ports"]
    ]
    assert named == [*ports, 5222]
    open_ = offline.render({"networkPolicy": {"enabled": True, "egress": {"enabled": False}}})
    assert only(open_, "NetworkPolicy")["spec"]["policyTypes"] == ["Ingress"]


@pytest.mark.parametrize(
    "values, shown",
    [
        ({}, {"maxUnavailable": 1}),
        ({"maxUnavailable": "25%"}, {"maxUnavailable": "25%"}),
        ({"minAvailable": 0}, {"minAvailable": 0}),
    ],
)
def test_a_disruption_budget_says_one_thing(
    offline: Helm, values: dict[str, Any], shown: dict[str, Any]
) -> None:
    found = offline.render({"podDisruptionBudget": {"enabled": True, **values}})
    spec = only(found, "PodDisruptionBudget")["spec"]
    assert {name: value for name, value in spec.items() if name != "selector"} == shown


# --- as a part of other releases ------------------------------------------------------------------


def test_an_application_can_have_the_topology_alone(offline: Helm) -> None:
    values = {
        "operator": {"enabled": False},
        "crds": {"enabled": False},
        "streams": {"orders": {"labels": {"tier": "gold"}, "spec": {"subjects": ["orders.>"]}}},
        "consumers": {"billing": {"spec": {"streamRef": {"name": "orders"}}}},
    }
    found = offline.render(values)
    assert [item["kind"] for item in found] == ["CozeConsumer", "CozeStream"]
    stream = only(found, "CozeStream")
    assert stream["metadata"]["labels"]["tier"] == "gold"
    assert stream["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert stream["spec"] == {"subjects": ["orders.>"]}
    (stream,) = offline.render({**values, "consumers": {}, "topology": {"keep": False}})
    assert "annotations" not in stream["metadata"]


def test_a_chart_that_depends_on_it_may_switch_it_and_hand_values_down(
    offline: Helm, tmp_path: Path
) -> None:
    parent = tmp_path / "app"
    parent.mkdir()
    dependency = {
        "name": CHART.name,
        "version": "0.1.0",
        "repository": f"file://{CHART}",
        "condition": f"{CHART.name}.enabled",
    }
    chart = {"apiVersion": "v2", "name": "app", "version": "1.0.0", "dependencies": [dependency]}
    (parent / "Chart.yaml").write_text(yaml.safe_dump(chart))
    (parent / "values.yaml").write_text("global: {team: shop}\n")
    offline("dependency", "build", parent)
    on = {CHART.name: {"enabled": True, "streams": {"orders": {"spec": {}}}}}
    assert "kind: CozeStream" in offline("template", "app", parent, values=on)
    assert offline("template", "app", parent, values={CHART.name: {"enabled": False}}).strip() == ""


def test_extra_objects_may_hold_templates(everything: list[Document]) -> None:
    assert only(everything, "ConfigMap", "coze-nats-operator-more")
    assert only(everything, "ConfigMap", "as-text")


@pytest.mark.parametrize(
    "words, name",
    [
        (["coze-nats-operator"], "coze-nats-operator"),
        (["events"], "events-coze-nats-operator"),
        (["events", "--set=fullnameOverride=op"], "op"),
        (["events", "--set=nameOverride=op"], "events-op"),
        (["x" * 53], "x" * 47),
    ],
)
def test_objects_are_named_after_the_release(offline: Helm, words: list[str], name: str) -> None:
    rendered = offline("template", words[0], CHART, "--namespace=default", *words[1:])
    found = [item for item in yaml.safe_load_all(rendered) if item]
    assert only(found, "Deployment")["metadata"]["name"] == name
    assert all(len(item["metadata"]["name"]) <= 63 for item in found)
