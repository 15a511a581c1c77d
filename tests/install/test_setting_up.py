"""`make` where there is nothing but Python: whatever its pip, whatever was released since."""

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from controlplane import wheels

ROOT = Path(__file__).resolve().parents[2]
UV = ROOT / ".venv" / "bin" / "uv"
LOCKS = ("requirements-dev.txt", "requirements-build.txt", "requirements-uv.txt")
OLDEST_PIP = "22.3"  # what Python 3.11.0 brings

LISTING = """
import importlib.metadata, json
print(json.dumps({each.name: each.version for each in importlib.metadata.distributions()}))
"""


def normal(name: str) -> str:
    """As package indexes compare names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(*locks: str) -> dict[str, str]:
    """The version of each package, by its name."""
    texts = [(ROOT / lock).read_text(encoding="utf-8") for lock in locks]
    pins = re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==([^ ;]+)", "\n".join(texts), re.MULTILINE)
    return {normal(name): version for name, version in pins}


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index, as a folder, that has a newer release of every package than the locks name."""
    folder = tmp_path_factory.mktemp("newer")
    for name, version in locked(*LOCKS).items():
        stem = f"{name.replace('-', '_')}-{version.split('.')[0]}.9999"
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {stem.partition('-')[2]}\n"
        tags = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{stem}.dist-info/METADATA", metadata)
            wheel.writestr(f"{stem}.dist-info/WHEEL", tags)
            wheel.writestr(f"{stem}.dist-info/RECORD", "")
    return folder


def environment(newer: Path, **more: str) -> dict[str, str]:
    links = f"{os.environ.get('PIP_FIND_LINKS', '')} {newer}".strip()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("UV_")}
    return kept | {"PYTHONPATH": str(ROOT / "hack"), "PIP_FIND_LINKS": links} | more


def install(
    python: Path | str, lock: Path, variables: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, ROOT / "hack" / "install.py", lock],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )


def installed(venv: Path) -> dict[str, str]:
    listing = subprocess.run(
        [venv / "bin" / "python", "-I", "-c", LISTING], capture_output=True, text=True, check=True
    )
    return {normal(name): version for name, version in json.loads(listing.stdout).items()}


def make_venv(folder: Path, *options: str) -> Path:
    subprocess.run([sys.executable, "-m", "venv", *options, folder], check=True)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("pip", ["its own", OLDEST_PIP])
def test_the_locked_packages_are_installed_by_any_pip_and_nothing_newer(
    tmp_path: Path, newer: Path, pip: str
) -> None:
    hack = ROOT / "hack"
    if pip == OLDEST_PIP:
        if sys.version_info >= (3, 12):
            pytest.skip("no newer Python brings it or runs it")
        venv = make_venv(tmp_path / "venv", "--without-pip")
        path = f"{hack}:{wheels.unpacked('pip', pip)}"
    else:
        venv, path = make_venv(tmp_path / "venv"), str(hack)

    outcome = install(venv / "bin" / "python", ROOT / LOCKS[0], environment(newer, PYTHONPATH=path))

    assert outcome.returncode == 0, outcome.stderr
    assert "done after" in outcome.stderr
    found = installed(venv)
    wanted = locked(LOCKS[0], LOCKS[2])
    assert {"coverage", "kopf", "nkeys", "uv"} <= set(found)
    assert {name: version for name, version in found.items() if name in wanted}.items() <= (
        wanted.items()
    )
    assert set(found) <= set(wanted) | {"pip", "setuptools"}


@pytest.mark.slow
def test_what_has_no_wheel_is_built_with_the_locked_tools(tmp_path: Path, newer: Path) -> None:
    """A newer setuptools than the locked one is there, and could build nothing: it is empty."""
    venv = make_venv(tmp_path / "venv")
    text = (ROOT / LOCKS[0]).read_text(encoding="utf-8")
    entry = re.search(r"^nkeys==.*?(?=^\w)", text, re.MULTILINE | re.DOTALL)
    assert entry
    lock = tmp_path / "lock.txt"
    lock.write_text(entry[0])

    outcome = install(
        venv / "bin" / "python", lock, environment(newer, UV_CACHE_DIR=str(tmp_path / "cache"))
    )

    assert outcome.returncode == 0, outcome.stderr
    assert installed(venv)["nkeys"] == locked(LOCKS[0])["nkeys"]


def test_an_installation_that_fails_says_why_and_never_that_it_is_done(
    tmp_path: Path, newer: Path
) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text(f"pluggy==99.9999 --hash=sha256:{'0' * 64}\n")

    outcome = install(sys.executable, lock, environment(newer, PIP_NO_INDEX="1"))

    assert outcome.returncode != 0
    assert "failed after" in outcome.stderr
    assert "pluggy" in outcome.stderr
    assert "done" not in outcome.stderr


@pytest.mark.parametrize("lock", ["requirements.txt", *LOCKS])
def test_a_lock_names_the_extras_that_dependencies_ask_for(lock: str) -> None:
    """Otherwise, some installers take the newest version instead, and find no hash for it."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    text = (ROOT / lock).read_text(encoding="utf-8")

    assert makefile.count("pip compile") == makefile.count("--no-strip-extras") == 1
    if "coverage" in locked(lock):
        assert "coverage[toml]==" in text
    if "nats-py" in locked(lock):
        assert "nats-py[nkeys]==" in text


@pytest.mark.slow
@pytest.mark.parametrize("python", ["3.11", "3.14"])
@pytest.mark.parametrize("platform", ["x86_64-manylinux_2_28", "aarch64-manylinux_2_28", "macos"])
def test_every_locked_package_is_published_for(
    tmp_path: Path, newer: Path, python: str, platform: str
) -> None:
    """All but nkeys as wheels."""
    command = [str(UV), "pip", "install", "--dry-run", "--target", str(tmp_path), "--no-deps"]
    command += ["--python", sys.executable, "--python-version", python]
    command += ["--python-platform", platform, "--only-binary", ":all:", "--no-binary", "nkeys"]
    command += ["--require-hashes", "--requirement", str(ROOT / LOCKS[0])]

    outcome = subprocess.run(command, capture_output=True, text=True, check=False)

    assert outcome.returncode == 0, outcome.stderr
