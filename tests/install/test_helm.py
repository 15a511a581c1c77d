"""The helm that the tests use."""

from controlplane import binaries
from support.helm import Helm


def test_helm_is_of_the_version_that_the_tools_name(offline: Helm) -> None:
    series = binaries.HELM.rpartition(".")[0]
    assert offline("version", "--short").startswith(f"v{series}.")
