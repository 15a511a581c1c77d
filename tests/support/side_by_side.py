"""Which tests stay together when tests run beside each other (`pytest -n`), and which begin first.

What a session shares, such as an API server, is started by every worker that has a test for it. So
tests that share something expensive stay with one worker; all others stay with their file, whose
servers they share. What takes long begins first, or the others would wait for it at the end.
"""

import re
from collections.abc import Mapping

from xdist.dsession import LoadScopeScheduling  # type: ignore[import-untyped]

_TOGETHER: Mapping[str, str] = {
    "faults": r"tests/faults/",
    "neighbours": r"tests/neighbours/",
    "two operators": r"tests/integration/leading/test_two_operators",
    "shards": r"tests/integration/leading/test_shards",
    "startup": r"tests/integration/startup/",
    "isolation": r"tests/connections/isolation/",
    "tenants": r"tests/connections/tenants/",
    "operator, a to l": r"tests/integration/operator/test_[a-l]",
    "operator, m to z": r"tests/integration/operator/test_[m-z]",
    "API server": r"tests/integration/(kube/|crds/|test_)",
    "connections of an operator": r"tests/connections/test_operator",
    "installed": r"tests/install/test_(argocd|chart_glance|image|manifests|metrics)",
    "positions": r"tests/safety/test_cells_of_positions",
    "contract on {}": r"tests/contract/.*\[(2\.\d+\.\d+)\b",
    "logins": r"tests/connections/test_matrix",
}
"""By the name of what they share, which also tells them apart in turn; {} is what was matched."""


def scope_of(nodeid: str) -> str:
    """What a test stays with, by its node id."""
    for name, pattern in _TOGETHER.items():
        if found := re.match(pattern, nodeid):
            return name.format(*found.groups())
    return nodeid.partition("::")[0]


def turn_of(nodeid: str) -> int:
    """Where its scope stands in the order: the lower, the earlier."""
    scopes = [re.match(pattern, nodeid) is not None for pattern in _TOGETHER.values()]
    return scopes.index(True) if True in scopes else len(scopes)


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Hands out scopes as `scope_of` has them."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)
