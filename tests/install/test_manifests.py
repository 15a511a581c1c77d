"""manifests/install on the real API server: what kubectl makes of it, and who may do what then."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from controlplane.kubernetes import KubernetesAPI
from coze_nats import cli
from coze_nats.core import names
from support import crds

INSTALL = Path(__file__).resolve().parents[2] / "manifests" / "install"
NAMESPACE = "coze-nats-system"
OPERATOR = f"system:serviceaccount:{NAMESPACE}:coze-nats-operator"
TENANT = "tenant"


@pytest.fixture(scope="module")
def installed(apiserver: KubernetesAPI) -> KubernetesAPI:
    apiserver.kubectl("apply", "-k", INSTALL)
    return apiserver


@pytest.fixture(scope="module")
def deployment(installed: KubernetesAPI) -> Mapping[str, Any]:
    words = ("get", "deployment", "coze-nats-operator", "-n", NAMESPACE, "-o", "json")
    found: Mapping[str, Any] = json.loads(installed.kubectl(*words).stdout)
    return found


def test_it_renders_all_that_the_operator_needs(apiserver: KubernetesAPI) -> None:
    rendered = yaml.safe_load_all(apiserver.kubectl("kustomize", INSTALL).stdout)
    assert sorted((item["kind"], item["metadata"]["name"]) for item in rendered) == [
        ("ClusterRole", "coze-nats-edit"),
        ("ClusterRole", "coze-nats-operator"),
        ("ClusterRole", "coze-nats-view"),
        ("ClusterRoleBinding", "coze-nats-operator"),
        ("CustomResourceDefinition", "cozeconnections.jetstream.coze.dev"),
        ("CustomResourceDefinition", "cozeconsumers.jetstream.coze.dev"),
        ("CustomResourceDefinition", "cozestreams.jetstream.coze.dev"),
        ("Deployment", "coze-nats-operator"),
        ("Namespace", NAMESPACE),
        ("Role", "coze-nats-operator-leases"),
        ("RoleBinding", "coze-nats-operator-leases"),
        ("Service", "coze-nats-operator"),
        ("ServiceAccount", "coze-nats-operator"),
    ]


def test_applying_it_again_changes_nothing(installed: KubernetesAPI) -> None:
    again = installed.kubectl("apply", "-k", INSTALL).stdout.splitlines()
    changed = [line for line in again if not line.endswith(" unchanged")]
    if not crds.fields_are_selectable(installed):
        # What a server drops, kubectl misses each time.
        changed = [line for line in changed if not line.startswith("customresourcedefinition")]
    assert changed == []


@pytest.mark.parametrize(
    "verb, resource, name, namespace, allowed",
    [
        *(
            (verb, f"{plural}.{names.GROUP}", "", TENANT, verb in ("list", "watch", "patch"))
            for plural in names.PLURALS.values()
            for verb in ("list", "watch", "patch", "get", "create", "update", "delete")
        ),
        *(
            (verb, f"{plural}.{names.GROUP}/status", "", TENANT, verb == "patch")
            for plural in names.PLURALS.values()
            for verb in ("patch", "get", "update")
        ),
        ("create", "events", "", TENANT, True),
        ("patch", "events", "", TENANT, False),
        ("list", "events", "", TENANT, False),
        ("get", "namespaces", "kube-system", "", True),
        ("get", "namespaces", "default", "", False),
        ("list", "namespaces", "", "", False),
        *(
            (verb, resource, "", TENANT, verb == "get")
            for resource in ("secrets", "configmaps")
            for verb in ("get", "list", "watch", "create", "update", "patch", "delete")
        ),
        ("create", "leases.coordination.k8s.io", "", NAMESPACE, True),
        ("get", "leases.coordination.k8s.io", "coze-nats-operator", NAMESPACE, True),
        ("update", "leases.coordination.k8s.io", "coze-nats-operator", NAMESPACE, True),
        ("update", "leases.coordination.k8s.io", "another", NAMESPACE, False),
        ("create", "leases.coordination.k8s.io", "", TENANT, False),
        ("list", "pods", "", NAMESPACE, False),
        ("list", "customresourcedefinitions.apiextensions.k8s.io", "", "", False),
        ("create", "clusterrolebindings.rbac.authorization.k8s.io", "", "", False),
        ("impersonate", "users", "", "", False),
    ],
)
def test_the_operator_may_do_what_it_needs_and_no_more(
    installed: KubernetesAPI, verb: str, resource: str, name: str, namespace: str, *, allowed: bool
) -> None:
    resource, _, subresource = resource.partition("/")
    what = [f"{resource}/{name}" if name else resource]
    what += [f"--subresource={subresource}"] if subresource else []
    where = [f"--namespace={namespace}"] if namespace else []
    answer = installed.kubectl(
        "auth", "can-i", verb, *what, *where, f"--as={OPERATOR}", "--quiet", check=False
    )
    assert (answer.returncode == 0) is allowed, answer.stderr


def test_no_right_is_a_wildcard(installed: KubernetesAPI) -> None:
    role = json.loads(
        installed.kubectl("get", "clusterrole", "coze-nats-operator", "-o", "json").stdout
    )
    granted = [word for rule in role["rules"] for words in rule.values() for word in words]
    assert not [word for word in granted if "*" in word]


@pytest.mark.parametrize("role, verbs", [("view", ["get", "list", "watch"]), ("edit", ["create"])])
def test_who_may_view_or_edit_a_namespace_may_view_or_edit_our_kinds(
    installed: KubernetesAPI, role: str, verbs: list[str]
) -> None:
    """Controllers put the rules together; here the labels are looked at that they go by."""
    words = ("get", "clusterrole", f"coze-nats-{role}", "-o", "json")
    found = json.loads(installed.kubectl(*words).stdout)
    assert found["metadata"]["labels"][f"rbac.authorization.k8s.io/aggregate-to-{role}"] == "true"
    (rule,) = found["rules"]
    assert sorted(rule["resources"]) == sorted(names.PLURALS.values())
    assert set(verbs) <= set(rule["verbs"])


def test_the_pod_is_admitted_where_pods_are_restricted(
    installed: KubernetesAPI, deployment: Mapping[str, Any]
) -> None:
    """Nothing makes pods of Deployments here, so one is asked for with the same template."""
    template = deployment["spec"]["template"]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "as-deployed", "labels": template["metadata"]["labels"]},
        "spec": template["spec"],
    }
    words = ("apply", "--dry-run=server", "-n", NAMESPACE, "-f", "-")
    admitted = installed.kubectl(*words, input=json.dumps(pod))
    assert "created" in admitted.stdout
    assert "Warning" not in admitted.stderr
    pod["spec"] = {**template["spec"], "hostNetwork": True}
    refused = installed.kubectl(*words, input=json.dumps(pod), check=False)
    assert 'violates PodSecurity "restricted' in refused.stderr


def test_the_container_is_probed_where_it_listens_and_may_not_write(
    deployment: Mapping[str, Any],
) -> None:
    assert deployment["spec"]["strategy"]["type"] == "RollingUpdate"
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    options = cli.make_parser().parse_args(container["args"])
    assert options.health_port == container["ports"][0]["containerPort"]
    assert container["image"] == "coze-nats-operator:0.1.0"
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["resources"]["requests"]
    assert container["resources"]["limits"]["memory"]


def test_the_secrets_may_be_missing(deployment: Mapping[str, Any]) -> None:
    pod = deployment["spec"]["template"]["spec"]
    (connection,) = pod["containers"][0]["envFrom"]
    assert connection["secretRef"] == {"name": "coze-nats-connection", "optional": True}
    secrets = [volume["secret"] for volume in pod["volumes"] if "secret" in volume]
    assert [secret["optional"] for secret in secrets] == [True]
