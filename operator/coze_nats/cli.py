"""The command line: `coze-nats operator` and `coze-nats version`."""

import argparse
import gc
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from textwrap import dedent

from coze_nats import logs, settings
from coze_nats.ending import CannotRun
from coze_nats.introduction import own_version

log = logging.getLogger(__name__)

GARBAGE_THRESHOLD = 10_000
"""New objects between two looks for garbage: Python's 700 cost a tenth of a cold start's CPU."""

EXIT_FAILURE = 1
EXIT_USAGE = 2

_ENVIRONMENT = dedent("""\
    environment variables (those for NATS are Coze Studio's):
      NATS_SERVER_URL       servers with commas between: nats://host:4222, tls://host:4222
      MQ_NAME_SERVER        the same, if NATS_SERVER_URL is not set
      NATS_USERNAME         log in as this user, with NATS_PASSWORD,
      NATS_TOKEN            or with a token,
      NATS_CREDS            or with the creds file of this name,
      NATS_NKEY_SEED        or with the NKey of this seed, or of the seed in the file of this name,
      NATS_JWT_TOKEN        or with this JWT and the seed NATS_NKEY_SEED
      NATS_CA               file of the authorities to trust, instead of the system's
      NATS_CERT, NATS_KEY   files of the client certificate and its private key
      NATS_TLS_SERVER_NAME  the name in the server's certificate, if it is not the URL's host
      NATS_TLS_FIRST        true: begin with the TLS handshake
      NATS_JS_DOMAIN        the JetStream domain, or
      NATS_JS_API_PREFIX    what the subjects of JetStream's API begin with
      NATS_TIMEOUT          until the outcome of a request counts as unknown, such as 30s
      NATS_STREAM_REPLICAS  replicas of streams that name no number
      COZE_NATS_CLUSTER_ID  the same as --cluster-id
      COZE_NATS_DEFAULT_POLICIES  the same as --default-policy, with commas between
      COZE_NATS_FORBIDDEN_POLICIES  the same as --forbid-policy, with commas between
      COZE_NATS_DEFAULT_CONNECTION  the same as --default-connection
      COZE_NATS_ALLOW_LOCAL_SERVERS  true: the same as --allow-local-servers
      KUBECONFIG            the cluster to work for, outside of a pod

    examples:
      NATS_SERVER_URL=nats://nats.nats:4222 coze-nats operator
      NATS_SERVER_URL=nats://127.0.0.1:4222 coze-nats operator --namespace coze --log-level debug
    """)


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Run a command; returns the exit code: 0 good, 1 failed, 2 wrong usage."""
    parsed = make_parser().parse_args(arguments)
    if parsed.command == "version":
        print(own_version())
        return 0
    try:
        loaded = settings.Settings.load(parsed, environ)
    except settings.InvalidSetting as error:
        return _failed(error, EXIT_USAGE, parsed.log_format)
    # What is imported stays, so that looking for garbage among it is a waste, now and later.
    gc.disable()
    # Kopf takes its time to import, which the other commands needn't wait for.
    from coze_nats import app  # noqa: PLC0415

    gc.freeze()
    gc.enable()
    gc.set_threshold(GARBAGE_THRESHOLD)
    try:
        app.run(loaded)
    except CannotRun as error:
        return _failed(error, EXIT_FAILURE, parsed.log_format)
    return 0


def _failed(error: Exception, exit_code: int, log_format: logs.Format) -> int:
    if log_format == "json":
        logs.configure(log_format, logging.INFO)
        log.critical("%s", error)
    else:
        print(f"coze-nats: error: {error}", file=sys.stderr)
    return exit_code


def make_parser() -> argparse.ArgumentParser:
    """What the command line looks like, without doing anything."""
    parser = argparse.ArgumentParser(
        prog="coze-nats",
        description="Keeps NATS JetStream streams and consumers as declared in Kubernetes.",
    )
    parser.add_argument("--version", action="version", version=own_version())
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    commands.add_parser("version", help="print the version", description="Print the version.")
    _add_operator_flags(
        commands.add_parser(
            "operator",
            help="run the operator",
            description="Run the operator until SIGTERM or SIGINT; what is in flight is finished.",
            epilog=_ENVIRONMENT,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    )
    return parser


def _add_operator_flags(operator: argparse.ArgumentParser) -> None:
    _add_flags_for_the_work(operator)
    _add_flags_for_the_process(operator)
    _add_flags_for_several(operator)


def _add_flags_for_the_work(operator: argparse.ArgumentParser) -> None:
    operator.add_argument(
        "--namespace",
        type=settings.namespace,
        action="append",
        metavar="NAME",
        help="look after this namespace only; repeatable (default: all namespaces)",
    )
    operator.add_argument(
        "--resync-interval",
        type=settings.interval,
        default=settings.Settings.resync_interval,
        metavar="TIME",
        help="compare everything with JetStream so often, such as 30s or 5m (default: 60s)",
    )
    operator.add_argument(
        "--default-connection",
        type=settings.connection,
        metavar="NAMESPACE/NAME",
        help="the CozeConnection of resources that name none, in place of the operator's own",
    )
    operator.add_argument(
        "--cluster-id",
        type=settings.cluster_id,
        metavar="ID",
        help="tells clusters on one NATS system apart (default: UID of namespace kube-system)",
    )
    operator.add_argument(
        "--succeeds-cluster-id",
        type=settings.cluster_id,
        action="append",
        metavar="ID",
        help="take over what resources of the same names own in that cluster, whose place this one "
        "takes; repeatable",
    )


def _add_flags_for_the_process(operator: argparse.ArgumentParser) -> None:
    operator.add_argument(
        "--default-policy",
        type=settings.policy,
        action="append",
        metavar="NAME=VALUE",
        help="policy of resources that name none, such as deletion=Retain; repeatable",
    )
    operator.add_argument(
        "--forbid-policy",
        type=settings.forbidden_policy,
        action="append",
        metavar="NAME=VALUE",
        help="policy that counts for no resource, such as dataLoss=Allow: the careful value takes "
        "its place; repeatable",
    )
    operator.add_argument(
        "--max-deletions-per-minute",
        type=settings.deletions,
        default=settings.Settings.most_deletions,
        metavar="NUMBER",
        help="when more streams of one namespace that hold messages are to be deleted within a "
        "minute, the others wait for a yes (default: 0, any number)",
    )
    operator.add_argument(
        "--max-connections",
        type=settings.connections,
        default=settings.Settings.most_connections,
        metavar="NUMBER",
        help="keep sessions of so many CozeConnections, by namespace in turn; 0: as many as there "
        "are file descriptors for (default: %(default)s)",
    )
    operator.add_argument(
        "--allow-local-servers",
        action="store_true",
        help="let CozeConnections lead to loopback, link-local and unspecified addresses, which is "
        "for tests and single machines (default: only the operator's own connection may)",
    )
    operator.add_argument(
        "--dry-run",
        action="store_true",
        help="change nothing in JetStream; status says what would be done",
    )
    operator.add_argument(
        "--health-port",
        type=settings.port,
        default=settings.Settings.health_port,
        metavar="PORT",
        help="serve /healthz, /readyz and /metrics here, on all addresses in a pod and else on "
        "loopback; 0: don't (default: %(default)s)",
    )
    operator.add_argument(
        "--metrics-max-objects",
        type=settings.objects,
        default=settings.Settings.metrics_max_objects,
        metavar="NUMBER",
        help="/metrics has series of each stream and consumer, for so many of them; 0: for none "
        "(default: %(default)s)",
    )
    operator.add_argument(
        "--log-format",
        choices=("text", "json"),
        default=settings.Settings.log_format,
        help="lines for people, or one JSON object each (default: %(default)s)",
    )
    operator.add_argument(
        "--log-level",
        choices=tuple(settings.LOG_LEVELS),
        default="info",
        help="the least level that is logged (default: %(default)s)",
    )


def _add_flags_for_several(operator: argparse.ArgumentParser) -> None:
    """Several operators, of which one acts, or each on its part."""
    election = settings.Election()
    terms = election.terms
    operator.add_argument(
        "--leader-elect",
        action="store_true",
        help="act only while holding a Lease, and stand by else: for two replicas or more",
    )
    operator.add_argument(
        "--shard",
        type=settings.shard,
        metavar="INDEX/COUNT",
        help="look after one part of the connections, such as 0/4, and let other operators look "
        "after 1/4 to 3/4; includes --leader-elect (default: all connections)",
    )
    operator.add_argument(
        "--lease-name",
        type=settings.lease_name,
        default=election.lease,
        metavar="NAME",
        help="name of the Lease; shards hold it together, and each one of its own, such as "
        "NAME-0-of-4 (default: %(default)s)",
    )
    operator.add_argument(
        "--lease-namespace",
        type=settings.namespace,
        metavar="NAME",
        help="namespace of the Lease (default: the pod's own, outside of a pod `default`)",
    )
    for flag, default, text in (
        ("--lease-duration", terms.duration, "a Lease that nobody renews is taken after so long"),
        ("--lease-renew-deadline", terms.renew_within, "the leader may write so long unrenewed"),
        ("--lease-retry-period", terms.retry_every, "between renewals, and looks of a standby"),
    ):
        operator.add_argument(
            flag,
            type=settings.seconds,
            default=default,
            metavar="TIME",
            help=f"{text} (default: {default:g}s)",
        )
