"""examples/gitops on real servers: what is built, what becomes of it, and that it stays so."""

import functools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from controlplane.kubernetes import KubernetesAPI
from controlplane.nats import NatsCluster, NatsServer
from coze_nats.core import names
from support import crds
from support.environment import KINDS, Environment
from support.gitops import USERS, built, connecting_to, sync_in_waves, waves
from support.verdicts import GITOPS, Verdict

ROOT = GITOPS.parents[1]
OVERLAYS = sorted(path.parent for path in GITOPS.glob("overlays/*/kustomization.yaml"))
DEV = GITOPS / "overlays" / "dev"
NODES = {"dev": 1, "prod": 3}
"""NATS servers of each environment."""

overlays = pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)


@pytest.fixture(scope="module")
def cluster() -> Iterator[KubernetesAPI]:
    """An API server with what an Application or a Kustomization of the operator would apply."""
    with KubernetesAPI() as api:
        crds.install(api)
        api.kubectl("apply", "-k", ROOT / "manifests" / "install")
        yield api


@pytest.fixture(scope="module")
def environment(
    cluster: KubernetesAPI, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Path], Environment]]:
    """Make the environment of an overlay and apply the overlay; it stays for the module."""
    with ExitStack() as running:

        @functools.cache
        def make(overlay: Path) -> Environment:
            if NODES[overlay.name] == 1:
                servers = [running.enter_context(NatsServer(config=USERS)).url]
            else:
                size = NODES[overlay.name]
                servers = running.enter_context(NatsCluster(size=size, config=USERS)).urls
            folder = tmp_path_factory.mktemp(overlay.name)
            connecting_to(servers, overlay, folder)
            cluster.kubectl("apply", "-k", folder)
            return Environment(cluster, overlay, servers, folder)

        yield make


# --- what is built --------------------------------------------------------------------------------


def test_there_is_an_overlay_for_each_environment() -> None:
    assert {path.name for path in OVERLAYS} == NODES.keys()


@overlays
def test_an_overlay_declares_its_namespace_and_everything_in_it(
    overlay: Path, cluster: KubernetesAPI
) -> None:
    found = built(cluster, overlay)
    namespaces = {item["metadata"].get("namespace", item["metadata"]["name"]) for item in found}
    assert namespaces == {f"coze-{overlay.name}"}
    stored = {
        subject
        for item in found
        if item["kind"] == names.STREAM_KIND
        for subject in item["spec"]["subjects"]
    }
    assert stored == {"coze.workflow.*.*", "coze.agent.*.*", "coze.knowledge.*.*"}


@overlays
def test_what_others_need_is_in_an_earlier_wave(overlay: Path, cluster: KubernetesAPI) -> None:
    found = waves(built(cluster, overlay))
    kinds = {wave: {item["kind"] for item in items} for wave, items in found.items()}
    assert kinds == {
        -2: {"Namespace"},
        -1: {names.CONNECTION_KIND},
        0: {names.STREAM_KIND},
        1: {names.CONSUMER_KIND},
    }


@pytest.mark.parametrize(
    "tool, protection",
    [
        ("flux", {"kustomize.toolkit.fluxcd.io/prune": "disabled"}),
        ("argocd", {"argocd.argoproj.io/sync-options": "Prune=false,Delete=false"}),
    ],
)
def test_the_crds_stay_when_the_operator_is_removed(
    tool: str, protection: Mapping[str, str], cluster: KubernetesAPI, tmp_path: Path
) -> None:
    """Without them, Kubernetes deletes every resource; both tools patch as kustomize does."""
    documents = yaml.safe_load_all((GITOPS / tool / "operator.yaml").read_text("utf-8"))
    *_, spec = (found["spec"] for found in documents)
    patches = (spec["source"]["kustomize"] if tool == "argocd" else spec)["patches"]
    resources = [os.path.relpath(ROOT / "manifests" / "install", tmp_path)]
    kustomization = yaml.safe_dump({"resources": resources, "patches": patches})
    (tmp_path / "kustomization.yaml").write_text(kustomization)
    found = built(cluster, tmp_path)
    crds_ = [item for item in found if item["kind"] == "CustomResourceDefinition"]
    assert len(crds_) == len(names.PLURALS)
    assert all(item["metadata"]["annotations"] == protection for item in crds_)


# --- what becomes of it ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "overlay",
    [
        pytest.param(path, id=path.name, marks=[pytest.mark.slow] if NODES[path.name] > 1 else [])
        for path in OVERLAYS
    ],
)
def test_an_overlay_becomes_real_and_every_tool_says_so(
    overlay: Path, environment: Callable[[Path], Environment]
) -> None:
    applied = environment(overlay)
    # Nobody has looked at it, so nobody may call it done.
    assert applied.verdicts() == {Verdict("InProgress", "InProgress", "Progressing", "")}
    with applied.operator():
        applied.await_reason(names.CONNECTION_KIND, "SecretNotFound")
        assert applied.verdicts() == {
            Verdict("Failed", "Failed", "Degraded", ""),
            Verdict("InProgress", "InProgress", "Progressing", ""),
        }
        applied.log_in()
        ready = applied.wait().splitlines()
        assert len(ready) == len(applied.resources())
        assert all(line.endswith(" condition met") for line in ready)
        assert applied.verdicts() == {Verdict("Current", "Current", "Healthy", "")}


def test_a_stream_that_is_refused_stops_a_sync_before_its_consumers(
    environment: Callable[[Path], Environment], tmp_path: Path
) -> None:
    applied = environment(DEV)
    applied.log_in()
    with applied.operator():
        assert sync_in_waves(applied.api, applied.folder) == {"Healthy"}
        before = specs_and_versions(applied, KINDS)
        # One server can't hold three copies.
        connecting_to(
            applied.servers,
            DEV,
            tmp_path,
            CozeStream=[{"op": "replace", "path": "/spec/replicas", "value": 3}],
            CozeConsumer=[{"op": "replace", "path": "/spec/ackWait", "value": "45s"}],
        )
        assert sync_in_waves(applied.api, tmp_path) == {"Degraded"}
        after = specs_and_versions(applied, KINDS)
        changed = {key.split()[0] for key in after if after[key][0] != before[key][0]}
        assert changed == {names.STREAM_KIND}
        assert sync_in_waves(applied.api, applied.folder) == {"Healthy"}


def test_nothing_differs_after_a_few_syncs(environment: Callable[[Path], Environment]) -> None:
    applied = environment(DEV)
    applied.log_in()
    with applied.operator():
        applied.wait()
        # The connection counts what is there a minute later; the hundred syncs wait for that.
        check_nothing_differs_after_syncing(applied, 2, names.TOPOLOGY_KINDS)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_nothing_differs_after_a_hundred_syncs(
    environment: Callable[[Path], Environment],
) -> None:
    applied = environment(DEV)
    applied.log_in()
    with applied.operator():
        applied.await_rest()
        check_nothing_differs_after_syncing(applied, 100, names.PLURALS)


def test_what_is_pruned_goes_in_any_order(environment: Callable[[Path], Environment]) -> None:
    """The last one: afterwards the environment is empty."""
    applied = environment(DEV)
    applied.log_in()
    with applied.operator():
        applied.wait()
        words = ("delete", KINDS, "--all", "--timeout=180s")
        applied.api.kubectl("-n", applied.namespace, *words)
        assert applied.resources() == []


# --- that it stays so -----------------------------------------------------------------------------

CLIENT_SIDE = ("--field-manager=argocd-controller",)
SERVER_SIDE = tuple(
    ("--server-side", f"--field-manager={manager}")
    for manager in ("argocd-controller", "kustomize-controller")
)


def specs_and_versions(environment: Environment, kinds: str) -> Mapping[str, tuple[int, str]]:
    """The generation, which changes with a spec, and the version, which changes with anything."""
    return {
        f"{item['kind']} {item['metadata']['name']}": (
            item["metadata"]["generation"],
            item["metadata"]["resourceVersion"],
        )
        for item in environment.resources(kinds)
    }


def status_writes(api: KubernetesAPI, plurals: str) -> float:
    """How many statuses of these kinds the API server was given so far."""
    pattern = (
        rf'^apiserver_request_total\{{.*resource="(?:{plurals.replace(",", "|")})".*'
        r'subresource="status".*verb="(?:APPLY|PATCH|PUT)".*\} (\S+)$'
    )
    return sum(float(value) for value in re.findall(pattern, api.metrics(), re.MULTILINE))


def check_nothing_differs_after_syncing(
    environment: Environment, cycles: int, kinds: Iterable[str]
) -> None:
    """One tool syncs on the client's side, then two on the server's, and look for differences."""
    plurals = ",".join(names.PLURALS[kind] for kind in kinds)
    written = status_writes(environment.api, plurals)
    assert written
    found = specs_and_versions(environment, plurals)
    generations = {key: generation for key, (generation, _) in found.items()}
    for ways in ((CLIENT_SIDE,), SERVER_SIDE):
        sync(environment, *ways)
        before = specs_and_versions(environment, plurals)
        for _ in range(cycles):
            sync(environment, *ways)
            assert specs_and_versions(environment, plurals) == before
        # The change from one side to the other moves kubectl's own notes, and nothing else.
        assert {key: generation for key, (generation, _) in before.items()} == generations
    assert status_writes(environment.api, plurals) == written


def sync(environment: Environment, *ways: tuple[str, ...]) -> None:
    """Look for differences and apply the overlay, in each of these ways."""
    for way in ways:
        where: tuple[str | Path, ...] = (*way, "-k", environment.folder)
        # kubectl ends with an error if there is a difference.
        assert environment.api.kubectl("diff", *where).stdout == ""
        environment.api.kubectl("apply", *where)
