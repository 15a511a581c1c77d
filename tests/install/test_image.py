"""The image: what the Dockerfile says, and what comes of carrying out its instructions."""

import hashlib
import json
import logging
import os
import re
import shutil
import stat
import subprocess
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

import pytest

from controlplane import ports
from controlplane.kubernetes import KubernetesAPI
from controlplane.nats import NatsServer
from coze_nats import cli, introduction
from support import container
from support.container import ROOT, Image
from support.dockerfile import Dockerfile
from support.eventually import eventually
from support.resources import Resources

# Building takes a quarter of a minute on two idle cores, and many times that on busy ones.
pytestmark = pytest.mark.timeout(600)

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = ("requirements.txt", "requirements-build.txt", "requirements-uv.txt")
UNCHECKED = 0b01
"""Flags of a compiled file that is found by its source's hash, which nobody checks (PEP 552)."""

STREAM = {
    "apiVersion": "jetstream.coze.dev/v1alpha1",
    "kind": "CozeStream",
    "metadata": {"name": "from-the-image", "namespace": "default"},
    "spec": {"subjects": ["image.>"]},
}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """One that other users can enter, which pytest's own are not."""
    path = Path(tempfile.mkdtemp(prefix="coze-nats-image-"))
    path.chmod(0o755)
    yield path
    if (path / "image" / "prefix").exists():
        make_writable(path)
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def image(folder: Path) -> Image:
    (folder / "image").mkdir()
    return container.build(folder / "image")


@pytest.fixture(scope="module")
def in_a_pod(apiserver: KubernetesAPI, folder: Path) -> Mapping[str, str]:
    """The ServiceAccount's token and the authority's certificate, for every user to read."""
    manifests = ROOT / "manifests" / "install"
    for name in ("namespace.yaml", "rbac.yaml"):
        apiserver.kubectl("apply", "-f", manifests / name)
    account = apiserver.service_account_kubeconfig("coze-nats-system", "coze-nats-operator")
    document = json.loads(account.read_text(encoding="utf-8"))
    authority = folder / "ca.crt"
    shutil.copy(apiserver.ca_file, authority)
    # As in a pod: a certificate inside the kubeconfig would have to be written to a file.
    (cluster,) = document["clusters"]
    cluster["cluster"] = {"server": apiserver.url, "certificate-authority": str(authority)}
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(json.dumps(document))
    for file in (authority, kubeconfig):
        file.chmod(0o644)
    return {"KUBECONFIG": str(kubeconfig)}


def make_writable(tree: Path) -> None:
    for path in (tree, *tree.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(path.stat().st_mode | stat.S_IWUSR)


def files(tree: Path) -> list[Path]:
    return sorted(path for path in tree.rglob("*") if path.is_file() and not path.is_symlink())


def digests(tree: Path) -> dict[str, str]:
    """The content of all files below, by their paths."""
    found = {}
    for path in sorted(tree.rglob("*")):
        if path.is_symlink():
            found[str(path.relative_to(tree))] = str(path.readlink())
        elif path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            found[str(path.relative_to(tree))] = content
    return found


# --- what the file says ---------------------------------------------------------------------------


def test_the_base_is_pinned_by_its_digest() -> None:
    (base,) = (stage.base for stage in Dockerfile.parse(DOCKERFILE).stages if "/" in stage.base)
    assert re.fullmatch(r"docker\.io/library/python:[\w.-]+-slim-\w+@sha256:[0-9a-f]{64}", base)


def test_the_labels_name_the_base_and_the_version_of_the_project() -> None:
    file = Dockerfile.parse(DOCKERFILE)
    base, _, _ = file.stages[0].base.partition("@")
    assert f'org.opencontainers.image.base.name="{base}"' in file.final.last("LABEL").text
    assert f"ARG VERSION={PROJECT['project']['version']}\n" in DOCKERFILE


def test_it_runs_as_a_user_by_number_who_is_not_root() -> None:
    user = Dockerfile.parse(DOCKERFILE).final.last("USER").text
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)


def test_nothing_is_run_in_the_last_stage_and_no_shell_is_needed_to_start() -> None:
    final = Dockerfile.parse(DOCKERFILE).final
    assert final.all_of("RUN") == []
    assert json.loads(final.last("ENTRYPOINT").text) == ["coze-nats"]
    assert json.loads(final.last("CMD").text) == ["operator"]


@pytest.mark.parametrize("lock", LOCKS)
def test_packages_come_with_hashes_and_from_the_index_of_whoever_builds(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    pins = re.findall(r"^[\w.-]+(?:\[\w+\])?==", text, re.MULTILINE)
    entries = [entry for entry in re.split(r"\n(?=\w)", text) if "==" in entry.partition(" ")[0]]
    assert len(pins) == len(entries) > 0
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []
    for address in ("://", "--index-url", "--extra-index-url", "--find-links"):
        assert address not in re.sub(r"^#.*$", "", text, flags=re.MULTILINE)


def test_whatever_is_fetched_is_held_against_its_hash() -> None:
    run = [each.text for each in Dockerfile.parse(DOCKERFILE).stages[1].all_of("RUN")]
    commands = [part for text in run for part in text.split("&&") if " -m pip " in part]
    assert len(commands) == 4
    for command in commands:
        assert "--require-hashes" in command or "--no-index" in command


def test_what_builds_the_project_is_what_the_project_says() -> None:
    editables, backend = sorted(PROJECT["build-system"]["requires"])
    assert editables.startswith("editables")
    assert backend in PROJECT["dependency-groups"]["build"]


def test_what_is_copied_is_let_through_to_the_builder_and_nothing_else_is() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_through = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copied = {
        source
        for stage in Dockerfile.parse(DOCKERFILE).stages
        for copy in stage.all_of("COPY")
        if "from" not in copy.flags
        for source in copy.words[:-1]
    }
    assert "*" in ignored
    assert let_through == copied
    assert all((ROOT / source).exists() for source in copied)


# --- what comes of it -----------------------------------------------------------------------------


def test_the_wheel_holds_the_package_and_nothing_else(image: Image) -> None:
    (wheel,) = (image.stages["build"].workdir / "wheels").glob("coze_nats_operator-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    package = ROOT / "operator"
    modules = {str(path.relative_to(package)) for path in files(package) if path.suffix != ".pyc"}
    assert {name for name in held if ".dist-info/" not in name} == modules
    assert "coze_nats/py.typed" in modules
    described = {Path(name).name for name in held if ".dist-info/" in name}
    assert described == {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "LICENSE"}


def test_the_source_archive_builds_the_same_wheel(image: Image, tmp_path: Path) -> None:
    build = image.stages["build"].workdir
    environment = os.environ | {
        "SOURCE_DATE_EPOCH": image.stages["build"].environment["SOURCE_DATE_EPOCH"]
    }
    subprocess.run(
        [ROOT / ".venv/bin/hatchling", "build", "--target", "sdist", "--directory", tmp_path],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        check=True,
    )
    (archive,) = tmp_path.glob("*.tar.gz")
    shutil.unpack_archive(archive, tmp_path, filter="data")
    (source,) = (path for path in tmp_path.iterdir() if path.is_dir())
    assert {path.name for path in source.iterdir()} >= {"crds", "manifests", "operator", "LICENSE"}
    assert [path for path in files(source) if path.suffix == ".pyc"] == []
    subprocess.run(
        [ROOT / ".venv/bin/hatchling", "build", "--target", "wheel", "--directory", tmp_path],
        cwd=source,
        env=environment,
        capture_output=True,
        check=True,
    )
    (from_archive,) = tmp_path.glob("*.whl")
    assert from_archive.read_bytes() == (build / "wheels" / from_archive.name).read_bytes()


def test_everybody_can_read_all_of_it_and_nobody_can_write_to_it(image: Image) -> None:
    for path in (image.prefix, *image.prefix.rglob("*")):
        mode = path.stat().st_mode
        assert mode & 0o004, path
        assert path.is_file() or mode & 0o001, path
        if not path.is_symlink():
            assert not mode & (0o222 | stat.S_ISUID | stat.S_ISGID), path


def test_every_module_is_compiled_in_a_way_that_no_clock_can_undo(image: Image) -> None:
    sources = [path for path in files(image.prefix / "lib") if path.suffix == ".py"]
    compiled = {path for path in files(image.prefix / "lib") if path.suffix == ".pyc"}
    assert len(sources) == len(compiled) > 1000
    for path in compiled:
        assert int.from_bytes(path.read_bytes()[4:8], "little") == UNCHECKED, path


def test_only_what_the_lock_names_is_installed(image: Image) -> None:
    lock = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    locked = {normal(name) for name in re.findall(r"^([\w.-]+)(?:\[\w+\])?==", lock, re.MULTILINE)}
    installed = {
        normal(path.name.partition("-")[0])
        for path in image.prefix.glob("lib/*/site-packages/*.dist-info")
    }
    assert installed <= locked | {introduction.DISTRIBUTION}
    assert {introduction.DISTRIBUTION, "kopf", "nats-py", "nkeys"} <= installed


def normal(name: str) -> str:
    """As package indexes compare names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_it_tells_its_version(image: Image) -> None:
    assert image.run("version") == (
        0,
        f"{introduction.DISTRIBUTION} {version(introduction.DISTRIBUTION)}\n",
    )


def test_it_explains_its_flags(image: Image) -> None:
    code, output = image.run(*image.command, "--help")
    assert code == 0
    assert "--resync-interval" in output


def test_without_a_cluster_it_says_what_is_missing_and_ends(image: Image) -> None:
    """As nobody, without a home or any setting."""
    code, output = image.run(*image.command, "--health-port=0")
    assert code == cli.EXIT_FAILURE
    assert "There is no Kubernetes cluster to work for" in output
    assert "Traceback" not in output


def test_a_file_that_it_would_write_is_refused(image: Image) -> None:
    """What the other tests rely on: the limit under which they run is in force."""
    place = tempfile.gettempdir()
    writing = f"open(tempfile.mkstemp(dir={place!r})[1], 'w').write('x' * 100_000)"
    file = Dockerfile.parse(DOCKERFILE.replace('["coze-nats"]', '["python"]'))
    python = Image(file, image.prefix, image.stages, image.final, image.environment)
    code, output = python.run("-c", f"import tempfile; {writing}")
    assert code == 1
    assert "File too large" in output


def test_it_converges_a_stream_without_writing_a_file(
    image: Image, in_a_pod: Mapping[str, str], resources: Resources
) -> None:
    before = digests(image.prefix)
    resources.create(STREAM)
    with NatsServer() as nats:
        process = image.start(
            *image.command,
            f"--health-port={ports.free()}",
            environment={**in_a_pod, "NATS_SERVER_URL": nats.url},
        )
        try:
            eventually(lambda: is_ready(resources), 60, "the stream")
        finally:
            process.terminate()
            output, _ = process.communicate(timeout=60)
            logging.getLogger("operator").warning("%s", output)
        streams = nats.monitor("/jsz?streams=true")["account_details"][0]["stream_detail"]
    resources.delete(STREAM)
    resources.release(STREAM)
    assert process.returncode == 0
    assert [stream["name"] for stream in streams] == ["from-the-image"]
    assert digests(image.prefix) == before


def is_ready(resources: Resources) -> bool:
    status = resources.get(STREAM).document.get("status", {})
    return any(
        (each["type"], each["status"]) == ("Ready", "True") for each in status.get("conditions", ())
    )


@pytest.mark.slow
def test_building_it_again_gives_the_same_files(image: Image, folder: Path) -> None:
    before = digests(image.prefix)
    make_writable(folder / "image")
    shutil.rmtree(folder / "image")
    (folder / "image").mkdir()
    again = container.build(folder / "image")
    assert digests(again.prefix) == before
