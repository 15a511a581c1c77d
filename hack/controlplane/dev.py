"""Keeps a control plane and NATS running until Ctrl-C. Does not run the operator."""

import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from controlplane import binaries
from controlplane.errors import ControlPlaneError
from controlplane.kubernetes import KubernetesAPI
from controlplane.nats import NatsCluster, NatsServer
from controlplane.recipes import Binary

ROOT = Path(__file__).resolve().parent.parent.parent
LOOK_SECONDS = 0.5
SERVED_SECONDS = 30.0


@dataclass(frozen=True)
class Wishes:
    nats_version: str
    nodes: int
    api_port: int | None
    nats_port: int | None


def run(wishes: Wishes) -> int:
    """Start everything, print how to use it, wait for Ctrl-C or SIGTERM, stop everything."""
    # SIGINT too: a shell starts background jobs with it ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    start = time.monotonic()
    try:
        with ExitStack() as running:
            kubernetes = running.enter_context(KubernetesAPI(wishes.api_port))
            nodes = _start_nats(wishes, running)
            _install_definitions(kubernetes)
            _explain(kubernetes, nodes, time.monotonic() - start)
            _wait_while(lambda: kubernetes.running and all(node.running for node in nodes))
    except KeyboardInterrupt:
        print("\nStopped; nothing is left behind.", file=sys.stderr)
    return 0


def _start_nats(wishes: Wishes, running: ExitStack) -> list[NatsServer]:
    if wishes.nodes == 1:
        server = NatsServer(wishes.nats_version, port=wishes.nats_port)
        return [running.enter_context(server)]
    return running.enter_context(NatsCluster(wishes.nats_version, wishes.nodes)).nodes


def _install_definitions(kubernetes: KubernetesAPI) -> None:
    definitions = ROOT / "crds"
    if definitions.is_dir():
        kubernetes.kubectl("apply", "--server-side", "-f", definitions)
        deadline = time.monotonic() + SERVED_SECONDS
        # `kubectl wait` fails for a definition that has no conditions yet.
        while kubernetes.kubectl("get", "coze", check=False).returncode:
            if time.monotonic() > deadline:
                raise ControlPlaneError(f"The CRDs are not served after {SERVED_SECONDS:.0f} s.")
            time.sleep(LOOK_SECONDS)


def _explain(kubernetes: KubernetesAPI, nodes: list[NatsServer], seconds: float) -> None:
    urls = ",".join(node.url for node in nodes)
    print(f"Kubernetes API and NATS {nodes[0].version} are ready after {seconds:.1f} s.\n")
    print("In another terminal:\n")
    print(f"  export KUBECONFIG={kubernetes.kubeconfig}")
    print(f'  export PATH="{binaries.find(Binary.KUBECTL).parent}:$PATH"  # kubectl')
    print(f"  export NATS_SERVER_URL={urls}")
    print("  .venv/bin/coze-nats operator --allow-local-servers\n")
    print("Ctrl-C here stops everything and removes its data.", flush=True)


def _wait_while(healthy: Callable[[], bool]) -> None:
    while healthy():
        time.sleep(LOOK_SECONDS)
    raise ControlPlaneError("One of the servers ended by itself; stopping the others.")


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
