"""What a kubelet would do with a pod of ours, as far as that goes without containers."""

import base64
import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from controlplane import binaries
from controlplane.kubernetes import KubernetesAPI
from controlplane.operator import OperatorProcess
from controlplane.recipes import Binary

Json = dict[str, Any]


def found(api: KubernetesAPI, *words: str) -> Json:
    """The object that `kubectl get` finds, or {} when it is not there."""
    text = api.kubectl("get", *words, "-o", "json", "--ignore-not-found").stdout
    return json.loads(text) if text else {}


def environment(api: KubernetesAPI, namespace: str, container: Json) -> dict[str, str]:
    """The variables of a container; those of `env` win over those of Secrets, as in a pod."""
    variables = {}
    for source in container.get("envFrom", []):
        reference = source["secretRef"]
        secret = found(api, "secret", reference["name"], "-n", namespace)
        assert secret or reference.get("optional"), f"no pod starts without {reference['name']}"
        for name, value in secret.get("data", {}).items():
            variables[name] = base64.b64decode(value).decode()
    return variables | {item["name"]: item.get("value", "") for item in container.get("env", [])}


def operator(
    api: KubernetesAPI, deployment: Json, arguments: Sequence[str] = ()
) -> OperatorProcess:
    """A process with the arguments, variables and rights of the Deployment's pods."""
    namespace = deployment["metadata"]["namespace"]
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    command, *given = container["args"]
    assert command == "operator"
    variables = environment(api, namespace, container)
    return OperatorProcess(
        account(api, namespace, pod),
        variables.get("NATS_SERVER_URL", ""),
        # What a pod finds out by itself.
        arguments=(f"--lease-namespace={namespace}", *given, *arguments),
        environment=variables,
    )


def carried_out(api: KubernetesAPI, pod: Json) -> subprocess.CompletedProcess[str]:
    """Run the command of a pod that needs kubectl, with its variables and rights, to its end."""
    namespace = pod["metadata"]["namespace"]
    (container,) = pod["spec"]["containers"]
    programs = f"{binaries.find(Binary.KUBECTL).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [*container["command"], *container["args"]],
        env={
            **environment(api, namespace, container),
            "PATH": programs,
            "KUBECONFIG": str(account(api, namespace, pod["spec"])),
            "KUBECACHEDIR": str(api.directory / "kubectl-cache"),
        },
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
    )


def account(api: KubernetesAPI, namespace: str, pod: Json) -> Path:
    """A kubeconfig with a token of the pod's ServiceAccount."""
    return api.service_account_kubeconfig(namespace, pod["serviceAccountName"])
