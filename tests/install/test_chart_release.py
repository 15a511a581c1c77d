"""A release from its first day to its last, with helm, on a real API server."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from controlplane.kubernetes import KubernetesAPI
from coze_nats.core import names
from support.eventually import eventually
from support.helm import CHART, Helm, HelmError

RELEASE = "coze-nats-operator"
NAMESPACE = "coze-nats-system"
CRDS = [f"{plural}.{names.GROUP}" for plural in names.PLURALS.values()]
PLACE = f"--namespace={NAMESPACE}"
VALUES = {"connection": {"servers": ["nats://nats.nats:4222"]}}
MOST_BYTES = 1024 * 1024
STREAM = {
    "apiVersion": names.API_VERSION,
    "kind": names.STREAM_KIND,
    "metadata": {"name": "orders", "namespace": "default", "finalizers": [names.FINALIZER]},
    "spec": {"subjects": ["orders.>"]},
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[KubernetesAPI]:
    """An API server into which only helm has put anything."""
    with KubernetesAPI(controllers=["namespace-controller"]) as api:
        yield api


@pytest.fixture
def helm(cluster: KubernetesAPI, tmp_path: Path) -> Iterator[Helm]:
    """Helm as administrator; afterwards the cluster is as it was."""
    yield Helm(tmp_path / "helm", cluster)
    Helm(tmp_path / "helm", cluster)("uninstall", RELEASE, PLACE, "--ignore-not-found")
    for plural in names.PLURALS.values():
        listed = cluster.kubectl("get", plural, "-A", "-o", "json", check=False).stdout
        for item in json.loads(listed or '{"items": []}')["items"]:
            words = (plural, item["metadata"]["name"], "-n", item["metadata"]["namespace"])
            patch = '-p={"metadata": {"finalizers": []}}'
            cluster.kubectl("patch", *words, "--type=merge", patch)
    cluster.kubectl("delete", "crd", *CRDS, "--ignore-not-found")


def install(helm: Helm, values: dict[str, Any] | None = None, *words: str | Path) -> str:
    flags = (PLACE, "--create-namespace", *words)
    return helm("install", RELEASE, CHART, *flags, values={**VALUES, **(values or {})})


def found(cluster: KubernetesAPI, *words: str) -> dict[str, Any]:
    """The object, or {} when it is not there."""
    text = cluster.kubectl("get", *words, "-o", "json", "--ignore-not-found").stdout
    return json.loads(text) if text else {}


def declare(cluster: KubernetesAPI) -> dict[str, Any]:
    """Declare a stream once its kind is served; returns its resource."""

    def is_made() -> bool:
        made = cluster.kubectl("apply", "-f", "-", input=json.dumps(STREAM), check=False)
        return made.returncode == 0

    eventually(is_made, 20, "the kind CozeStream")
    return found(cluster, "cozestream", "orders")


def newer(tmp_path: Path) -> Path:
    """The chart of a later release: its CRD of streams knows one more field."""
    chart = tmp_path / "newer"
    shutil.copytree(CHART, chart)
    file = chart / "templates" / "crds" / f"cozestreams.{names.GROUP}.yaml"
    text = file.read_text("utf-8")
    first = "              subjects:\n                description:"
    assert text.count(first) == 1
    added = "              tomorrow:\n                type: string\n"
    file.write_text(text.replace(first, added + first))
    about = (chart / "Chart.yaml").read_text("utf-8")
    (chart / "Chart.yaml").write_text(about.replace("ersion: 0.1.0", "ersion: 0.2.0"))
    return chart


def known_fields(cluster: KubernetesAPI) -> set[str]:
    (version,) = found(cluster, "crd", f"cozestreams.{names.GROUP}")["spec"]["versions"]
    return set(version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"])


def test_one_command_installs_it_and_says_what_comes_next(
    cluster: KubernetesAPI, helm: Helm
) -> None:
    told = install(helm)
    assert "HAS NO CONNECTION" not in told
    for step in ("rollout status deployment/coze-nats-operator", "helm test", "get coze"):
        assert step in told
    deployment = found(cluster, "deployment", RELEASE, "-n", NAMESPACE)
    assert deployment["spec"]["replicas"] == 1
    assert all(found(cluster, "crd", name) for name in CRDS)
    (record,) = cluster.kubectl("get", "secrets", "-n", NAMESPACE, "-o", "name").stdout.split()
    size = len(found(cluster, record, "-n", NAMESPACE)["data"]["release"])
    assert size < MOST_BYTES / 2, "a Secret can hold no more than Helm's record of the release"


@pytest.mark.slow
def test_who_forgets_nats_is_told_how_to_name_it(helm: Helm) -> None:
    told = install(helm, {"connection": {}})
    assert "NO CONNECTION OF ITS OWN" in told
    assert "--set 'connection.servers={nats://nats.nats.svc:4222}'" in told


@pytest.mark.slow
def test_who_wants_alerts_that_the_cluster_does_not_serve_is_told_that_there_are_none(
    helm: Helm,
) -> None:
    told = install(helm, {"metrics": {"prometheusRule": {"enabled": True}}})
    assert "NO PrometheusRule WAS MADE" in told
    assert "ServiceMonitor" not in told


@pytest.mark.slow
def test_the_example_in_the_notes_is_one_that_the_api_server_takes(
    cluster: KubernetesAPI, helm: Helm
) -> None:
    told = install(helm, {"watchNamespaces": ["default"]})
    example = "\n".join(
        line[3:] for line in told.partition("<<EOF\n")[2].partition("   EOF")[0].splitlines()
    )
    assert yaml.safe_load(example)["metadata"]["namespace"] == "default"
    declare(cluster)
    assert cluster.kubectl("apply", "--dry-run=server", "-f", "-", input=example).stdout


@pytest.mark.slow
def test_the_examples_for_artifact_hub_are_taken_by_the_api_server(
    cluster: KubernetesAPI, helm: Helm
) -> None:
    install(helm)
    declare(cluster)
    annotations = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))["annotations"]
    examples = yaml.safe_load(annotations["artifacthub.io/crdsExamples"])
    text = yaml.safe_dump_all(examples)
    answer = cluster.kubectl("apply", "--dry-run=server", "-f", "-", input=text).stdout
    assert len(answer.splitlines()) == len(names.PLURALS)


def test_an_upgrade_that_changes_the_crds_keeps_the_resources_and_so_does_going_back(
    cluster: KubernetesAPI, helm: Helm, tmp_path: Path
) -> None:
    install(helm)
    before = declare(cluster)
    fields = known_fields(cluster)
    helm("upgrade", RELEASE, newer(tmp_path), PLACE, "--reuse-values")
    assert known_fields(cluster) - fields == {"tomorrow"}
    patch = '-p={"spec": {"tomorrow": "sunny"}}'
    cluster.kubectl("patch", "cozestream", "orders", "--type=merge", patch)
    assert (
        "0.2.0"
        in found(cluster, "deployment", RELEASE, "-n", NAMESPACE)["metadata"]["labels"][
            "app.kubernetes.io/version"
        ]
    )

    helm("rollback", RELEASE, "1", PLACE)
    assert known_fields(cluster) == fields
    after = found(cluster, "cozestream", "orders")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["spec"] == before["spec"]
    image = found(cluster, "deployment", RELEASE, "-n", NAMESPACE)["spec"]["template"]["spec"][
        "containers"
    ][0]["image"]
    assert image.endswith(":0.1.0")


@pytest.mark.slow
def test_uninstalling_leaves_the_crds_and_all_resources_and_installing_again_finds_them(
    cluster: KubernetesAPI, helm: Helm
) -> None:
    install(helm)
    before = declare(cluster)
    told = helm("uninstall", RELEASE, PLACE)
    assert all(name in told for name in CRDS), "helm tells what it keeps"
    assert found(cluster, "deployment", RELEASE, "-n", NAMESPACE) == {}
    assert found(cluster, "clusterrole", RELEASE) == {}
    after = found(cluster, "cozestream", "orders")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert "deletionTimestamp" not in after["metadata"]

    install(helm)
    again = found(cluster, "cozestream", "orders")
    assert again["metadata"]["uid"] == before["metadata"]["uid"]


@pytest.mark.slow
def test_crds_that_are_not_kept_go_with_the_release(cluster: KubernetesAPI, helm: Helm) -> None:
    assert "will delete the CRDs" in install(helm, {"crds": {"keep": False}})
    helm("uninstall", RELEASE, PLACE)
    eventually(lambda: not any(found(cluster, "crd", name) for name in CRDS), 20, "the end of CRDs")


@pytest.mark.slow
def test_helm_takes_over_what_kubectl_has_installed(cluster: KubernetesAPI, helm: Helm) -> None:
    cluster.kubectl("apply", "-k", CHART.parents[1] / "manifests" / "install")
    try:
        before = declare(cluster)
        with pytest.raises(HelmError, match="exists and cannot be imported"):
            install(helm)
        install(helm, None, "--take-ownership")
        after = found(cluster, "cozestream", "orders")
        assert after["metadata"]["uid"] == before["metadata"]["uid"]
    finally:
        helm("uninstall", RELEASE, PLACE, "--ignore-not-found")
        cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")


def test_a_topology_needs_the_kinds_and_helm_says_so(helm: Helm) -> None:
    streams = {"streams": {"orders": {"spec": {"subjects": ["orders.>"]}}}}
    with pytest.raises(HelmError, match="ensure CRDs are installed first"):
        install(helm, streams)


@pytest.mark.slow
def test_a_topology_outlives_its_release(cluster: KubernetesAPI, helm: Helm) -> None:
    install(helm)
    declare(cluster)
    topology = {
        "operator": {"enabled": False},
        "crds": {"enabled": False},
        "connections": {"events": {"spec": {"servers": ["nats://events:4222"]}}},
        "streams": {"shop": {"spec": {"subjects": ["shop.>"], "connection": {"name": "events"}}}},
        "consumers": {"billing": {"spec": {"streamRef": {"name": "shop"}}}},
    }
    told = helm("install", "shop", CHART, "--namespace=default", values=topology)
    assert "1 connections, 1 streams and 1 consumers" in told
    helm("uninstall", "shop", "--namespace=default")
    for kind in ("cozeconnection/events", "cozestream/shop", "cozeconsumer/billing"):
        assert found(cluster, kind), kind


def test_all_that_can_be_rendered_is_taken_by_the_api_server_and_by_restricted_namespaces(
    cluster: KubernetesAPI, helm: Helm, tmp_path: Path
) -> None:
    """Nothing makes pods of Deployments here, so one is asked for with the same template."""
    install(helm)
    declare(cluster)
    label = "pod-security.kubernetes.io/enforce=restricted"
    cluster.kubectl("label", "--overwrite", "namespace", NAMESPACE, label)
    values = {
        "watchNamespaces": ["default"],
        "connection": {"creds": {"secretName": "c"}, "tls": {"ca": {"configMapName": "a"}}},
        "networkPolicy": {"enabled": True},
        "podDisruptionBudget": {"enabled": True},
        "streams": {"shop": {"spec": {"subjects": ["shop.>"]}}},
        "extraObjects": ["apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}"],
    }
    documents = helm.render(values)
    (deployment,) = [item for item in documents if item["kind"] == "Deployment"]
    template = deployment["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", **template}
    pod["metadata"] = {"name": "as-deployed", "namespace": NAMESPACE, **template["metadata"]}
    text = yaml.safe_dump_all([*documents, pod])
    words = ("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-")
    answer = cluster.kubectl(*words, input=text)
    assert len(answer.stdout.splitlines()) == len(documents) + 1
    assert "Warning" not in answer.stderr
    pod["spec"] = {**template["spec"], "hostNetwork": True}
    refused = cluster.kubectl(*words, input=yaml.safe_dump(pod), check=False)
    assert 'violates PodSecurity "restricted' in refused.stderr
