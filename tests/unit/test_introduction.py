"""What the log begins with: enough to tell which operator it is, and what it may do."""

from coze_nats.introduction import introduction, own_version
from coze_nats.jetstream.options import ConnectionOptions
from coze_nats.settings import Settings


def test_the_log_begins_with_what_the_operator_was_told() -> None:
    settings = Settings(
        nats=ConnectionOptions(servers=("nats://coze:hidden@nats:4222", "tls://other:4223")),
        namespaces=("coze", "shop"),
        default_policies={"deletion": "Retain"},
        dry_run=True,
    )
    first, namespaces, connection, policies, dry_run = introduction(settings)
    assert first == f"{own_version()} starts"
    assert namespaces == "Namespaces: coze, shop"
    assert connection == "Own connection: nats://nats:4222, tls://other:4223"
    assert policies.startswith("Default policies: deletion=Retain, adoption=IfIdentical, ")
    assert dry_run == "Dry run: yes, nothing is changed in JetStream"


def test_what_nobody_set_is_said_as_well() -> None:
    _, namespaces, connection, _, dry_run = introduction(Settings(nats=None))
    assert namespaces == "Namespaces: all"
    assert connection.startswith("Own connection: none")
    assert dry_run == "Dry run: no"
