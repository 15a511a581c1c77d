"""The first lines of the log: what this operator is, and what it was told to do."""

from importlib.metadata import version

from coze_nats.core.policies import SAFE
from coze_nats.jetstream.options import ConnectionOptions
from coze_nats.settings import Settings

DISTRIBUTION = "coze-nats-operator"


def own_version() -> str:
    """Name and version, as in `coze-nats-operator 1.2.3`."""
    return f"{DISTRIBUTION} {version(DISTRIBUTION)}"


def introduction(settings: Settings) -> list[str]:
    """What is known before the cluster is asked for anything, a line each."""
    policies = ", ".join(f"{name}={value}" for name, value in _policies(settings).items())
    return [
        f"{own_version()} starts",
        f"Namespaces: {', '.join(settings.namespaces) or 'all'}",
        f"Own connection: {_servers(settings.nats)}",
        f"Default policies: {policies}",
        f"Dry run: {'yes, nothing is changed in JetStream' if settings.dry_run else 'no'}",
    ]


def _policies(settings: Settings) -> dict[str, str]:
    return {**SAFE, **settings.default_policies}


def _servers(options: ConnectionOptions | None) -> str:
    if options is None:
        return "none, so each resource has to name a CozeConnection"
    return ", ".join(str(server) for server in options.addresses)
