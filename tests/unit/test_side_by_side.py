"""Tests beside each other: what shares servers stays together, and ports are told apart."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from controlplane import ports
from support import side_by_side

ROOT = Path(__file__).resolve().parents[2]


def test_everybody_who_shares_something_exists() -> None:
    files = [str(path.relative_to(ROOT)) for path in ROOT.glob("tests/**/test_*.py")]
    nodeids = [*files, *(f"{path}::test_it[2.15.1-more]" for path in files)]
    for name, pattern in side_by_side._TOGETHER.items():
        assert any(re.match(pattern, nodeid) for nodeid in nodeids), f"nobody shares {name}"


@pytest.mark.parametrize(
    "nodeid, scope",
    [
        ("tests/faults/test_nats.py::test_it", "faults"),
        ("tests/contract/test_gateway.py::test_it[2.15.1-file]", "contract on 2.15.1"),
        ("tests/contract/test_gateway.py::test_it[2.10.26]", "contract on 2.10.26"),
        ("tests/contract/test_login.py::test_it", "tests/contract/test_login.py"),
        ("tests/safety/test_cells.py::Test::test_it[a::b]", "tests/safety/test_cells.py"),
    ],
)
def test_a_test_stays_with_those_that_share_its_servers_or_its_file(
    nodeid: str, scope: str
) -> None:
    assert side_by_side.scope_of(nodeid) == scope


def test_what_takes_long_begins_first_and_files_by_themselves_come_last() -> None:
    turns = [
        side_by_side.turn_of(nodeid)
        for nodeid in (
            "tests/faults/test_nats.py::test_it",
            "tests/integration/startup/test_startup.py::test_it",
            "tests/install/test_compose.py::test_it",
        )
    ]
    assert turns == sorted(turns)
    assert len(set(turns)) == len(turns)


def test_no_two_workers_are_given_the_same_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_range", ports._range)
    given: list[set[int]] = []
    for number in range(3):
        ports.share(number, 3)
        given.append({ports.free() for _ in range(200)})
    assert not given[0] & given[1]
    assert not given[1] & given[2]
    assert all(ports.FIRST <= port <= ports.LAST for port in set().union(*given))


def test_a_test_that_hangs_is_named(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import time\ndef test_that_hangs():\n    time.sleep(60)\ndef test_other(): pass\n"
    )
    words = ("-n", "1", "-p", "no:cacheprovider", "--timeout=1", "-c", "/dev/null", "--rootdir=.")
    found = subprocess.run(
        [sys.executable, "-m", "pytest", *words, "test_it.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert re.search(r"FAILED test_it\.py::test_that_hangs.*Timeout", found.stdout), found.stdout
    assert "1 failed, 1 passed" in found.stdout
