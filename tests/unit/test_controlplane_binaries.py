"""Where the programs of the control plane are taken from, and what is said if they can't be had."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from controlplane import Binary, ControlPlaneError, binaries, golang, recipes

Install = Callable[[str, str], Path]


@pytest.fixture(autouse=True)
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing on PATH, nothing in the cache, no package index."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("COZE_NATS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("COZE_OFFLINE", "1")
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    for remembered in (binaries.find, binaries._archive, golang.find):
        remembered.cache_clear()


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """Puts a program on PATH that prints this when it is asked for its version."""

    def write(name: str, answer: str) -> Path:
        program = tmp_path / "bin" / name
        program.write_text(f"#!/bin/sh\necho '{answer}'\n")
        program.chmod(0o755)
        return program

    return write


def test_kubebuilder_assets_are_taken_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, install: Install
) -> None:
    install("kubectl", "Client Version: v1.34.9")
    asset = tmp_path / "kubectl"
    asset.touch(0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))

    assert binaries.find("kubectl") == asset


@pytest.mark.parametrize(
    "name, answer",
    [
        ("kubectl", "Client Version: v1.34.9"),
        ("kube-apiserver", "Kubernetes v1.34.0"),
        ("etcd", "etcd Version: 3.6.12"),
        ("helm", "v3.19.0+g1234567"),
        ("promtool", "promtool, version 3.5.0 (branch: HEAD, revision: 1234567)"),
    ],
)
def test_a_program_on_path_is_taken_if_its_minor_version_fits(
    install: Install, name: str, answer: str
) -> None:
    program = install(name, answer)

    assert binaries.find(name) == program


@pytest.mark.parametrize(
    "name, answer",
    [
        ("kubectl", "Client Version: v1.32.4-dispatcher"),
        ("etcd", "etcd Version: 3.5.21"),
        ("helm", "no version at all"),
        ("promtool", "promtool, version 2.42.0+ds (branch: debian/sid)"),
    ],
)
def test_a_program_on_path_of_another_version_is_left_alone(
    install: Install, name: str, answer: str
) -> None:
    install(name, answer)

    with pytest.raises(ControlPlaneError, match="is needed to build"):
        binaries.find(name)


def test_without_go_and_an_index_the_error_names_both_remedies() -> None:
    with pytest.raises(ControlPlaneError) as caught:
        binaries.find(Binary.ETCD)

    assert "Go 1.24 or newer is needed" in str(caught.value)
    assert "KUBEBUILDER_ASSETS" in str(caught.value)


def test_an_old_go_counts_as_none(install: Install) -> None:
    install("go", "go1.22.5")

    with pytest.raises(ControlPlaneError, match=r"Go 1\.24 or newer is needed"):
        binaries.find(Binary.ETCD)


def test_an_unknown_version_of_nats_server_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ControlPlaneError, match=r"2\.10\.26.*2\.15\.1"):
        binaries.nats_server("2.9.9")


def test_every_known_nats_server_has_hashes_and_the_default_is_among_them() -> None:
    assert binaries.NATS in binaries.nats_versions()


def test_the_versions_in_code_are_those_that_go_builds() -> None:
    files = ("etcd/go.mod", "helm/go.mod", "prometheus/go.mod")
    modules = "".join((recipes.TOOLS / file).read_text() for file in files)

    assert f"go.etcd.io/etcd/server/v3 v{recipes.ETCD}" in modules
    assert f"helm.sh/helm/v3 v{recipes.HELM}" in modules
    # Prometheus 3.x is module version 0.300 and up.
    major, minor, patch = map(int, recipes.PROMETHEUS.split("."))
    module = f"github.com/prometheus/prometheus v0.{100 * major + minor}.{patch}"
    assert module in modules


@pytest.mark.parametrize("version", recipes.kubernetes_versions())
def test_a_version_of_kubernetes_can_be_chosen_and_is_what_go_builds(
    monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setenv("COZE_KUBERNETES", version)

    recipe = recipes.recipe(Binary.KUBECTL)

    assert recipe.version == version
    assert f"gitVersion=v{version} " in recipe.linker_flags
    text = (recipe.module / "go.mod").read_text()
    assert f"k8s.io/kubernetes v{version}" in text
    replaced = set(re.findall(r"^\t(k8s\.io/\S+) => \1 (\S+)$", text, re.MULTILINE))
    assert {staged for _, staged in replaced} == {f"v0.{version.removeprefix('1.')}"}


def test_a_version_of_kubernetes_that_nobody_prepared_is_answered_with_the_known_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COZE_KUBERNETES", "1.12.0")

    with pytest.raises(ControlPlaneError, match=rf"1\.12\.0.*{recipes.KUBERNETES}"):
        recipes.recipe(Binary.KUBECTL)


def test_without_a_choice_the_version_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COZE_KUBERNETES", raising=False)

    assert recipes.recipe(Binary.KUBE_APISERVER).version == recipes.KUBERNETES


def test_a_program_on_path_that_does_not_run_is_left_alone(tmp_path: Path) -> None:
    broken = tmp_path / "bin" / "kubectl"
    broken.write_text("\0")
    broken.chmod(0o755)

    with pytest.raises(ControlPlaneError, match="is needed to build"):
        binaries.find("kubectl")
