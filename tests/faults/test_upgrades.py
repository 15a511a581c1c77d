"""The CRDs change under load; the operator becomes another version, and the old one again."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from coze_nats.core import names
from faults.conftest import Begin
from faults.work import Work

ROOT = Path(__file__).resolve().parents[2]
COUNT, MORE = 100, 20

PREVIOUS = "d07a4c8"
"""The version that is upgraded from: the one that had no connections yet."""


@pytest.mark.slow
async def test_the_crds_are_upgraded_under_load(begin: Begin) -> None:
    """The API server ends all watches of a kind that changes; nothing is missed."""
    work = await begin(COUNT)
    going_on = asyncio.create_task(work.go_on(MORE))
    for plural in names.PLURALS.values():
        await asyncio.to_thread(change, work, plural, "changed under load")
    await going_on
    work.survived(
        "CRDs upgraded under load",
        stayed_up="the operator; JetStream",
        retried="the watches",
        heal_seconds=await work.healed(),
        bound=4,
    )


@pytest.fixture
def previous(tmp_path: Path) -> Iterator[Path]:
    """The source of the previous version."""
    source = tmp_path / "previous"
    subprocess.run(["git", "worktree", "add", "--detach", source, PREVIOUS], cwd=ROOT, check=True)
    yield source / "operator"
    subprocess.run(["git", "worktree", "remove", "--force", source], cwd=ROOT, check=True)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_the_operator_is_upgraded_and_rolled_back(
    begin: Begin, previous: Path, tmp_path: Path
) -> None:
    """Each version takes over what the other left, and writes only what it says otherwise."""
    # What comes first on the path is imported.
    first = tmp_path / "first"
    first.symlink_to(previous)
    work = await begin(COUNT, environment={"PYTHONPATH": str(first)})
    seconds = 0.0
    for source in (ROOT / "operator", previous):
        await asyncio.to_thread(work.site.operator.stop)
        await work.go_on(MORE)
        first.unlink()
        first.symlink_to(source)
        await asyncio.to_thread(work.site.operator.start)
        seconds = max(seconds, await work.healed())
    work.survived(
        "operator upgraded under changes, and rolled back",
        stayed_up="JetStream",
        retried="nothing",
        heal_seconds=seconds,
        bound=5,
    )


def change(work: Work, plural: str, description: str) -> None:
    """Give a CRD another description, which is a new version of its schema."""
    path = "/spec/versions/0/schema/openAPIV3Schema/description"
    patch = [{"op": "add", "path": path, "value": description}]
    work.site.cluster.api.kubectl(
        *("patch", "crd", f"{plural}.{names.GROUP}", "--type=json", "-p", json.dumps(patch))
    )
