"""What several parts of the operator are made with, where nothing is asked of it."""

from pathlib import Path

import pytest
import yaml

from coze_nats.kube.session import Session
from coze_nats.kube.watches import Watches


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """A way to an API server that isn't there."""
    config = {
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "clusters": [{"name": "it", "cluster": {"server": "https://127.0.0.1:9"}}],
        "users": [{"name": "it", "user": {"token": "none"}}],
    }
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return Session(Watches(), str(path))
