"""What the cache of programs promises to people who interrupt it or start it twice."""

import subprocess
import sys
from pathlib import Path

import pytest

from controlplane import cache


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COZE_NATS_CACHE", str(tmp_path))
    return tmp_path


def write(target: Path) -> None:
    (target / "program").write_text("whole")


def test_what_was_made_once_is_not_made_again() -> None:
    made: list[Path] = []

    first = cache.kept("thing-1", made.append)
    second = cache.kept("thing-1", made.append)

    assert first == second
    assert len(made) == 1


def test_an_interrupted_making_leaves_nothing_under_the_name(folder: Path) -> None:
    def interrupted(target: Path) -> None:
        write(target)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.kept("thing-1", interrupted)

    assert [path for path in folder.rglob("*") if path.name == "program"] == []
    assert (cache.kept("thing-1", write) / "program").read_text() == "whole"


def test_the_remains_of_a_killed_making_are_removed_by_the_next() -> None:
    place = cache.kept("thing-1", write)
    remains = place.with_name("thing-2.partial-abc")
    remains.mkdir()

    cache.kept("thing-2", write)

    assert not remains.exists()


def test_two_processes_at_once_make_it_once(folder: Path) -> None:
    script = (
        "import pathlib, sys, time\n"
        "from controlplane import cache\n"
        "log = pathlib.Path(sys.argv[1])\n"
        "def make(target):\n"
        "    with log.open('a') as lines: lines.write('made\\n')\n"
        "    time.sleep(0.2)\n"
        "cache.kept('thing-1', make)\n"
    )
    log = folder / "log"
    hack = str(Path(cache.__file__).parent.parent)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(log)],
            env={"PYTHONPATH": hack, "COZE_NATS_CACHE": str(folder)},
        )
        for _ in range(3)
    ]

    assert [process.wait(30) for process in processes] == [0, 0, 0]
    assert log.read_text() == "made\n"
