"""The command line of the local control plane: `python -m controlplane dev` and `… binaries`."""

import argparse
import sys

from controlplane import binaries, dev
from controlplane.errors import ControlPlaneError
from controlplane.recipes import Binary


def main(arguments: list[str] | None = None) -> int:
    wishes = _parser().parse_args(arguments)
    try:
        if wishes.command == "dev":
            return dev.run(
                dev.Wishes(wishes.nats_version, wishes.nodes, wishes.api_port, wishes.nats_port)
            )
        return _make_binaries(wishes.names)
    except ControlPlaneError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _make_binaries(names: list[str]) -> int:
    found = binaries.find_all(names or binaries.DEFAULT)
    if not names:
        versions = binaries.nats_versions()
        found |= {f"nats-server {version}": binaries.nats_server(version) for version in versions}
    for name, path in found.items():
        print(f"{name:24} {path}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m controlplane",
        description="A Kubernetes API server and NATS on loopback, without containers.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    development = commands.add_parser("dev", help="keep them running until Ctrl-C")
    development.add_argument(
        "--nats-version",
        default=binaries.NATS,
        choices=binaries.nats_versions(),
        help="default: %(default)s",
    )
    development.add_argument(
        "--nodes", type=int, choices=(1, 3), default=1, help="NATS servers (default: 1)"
    )
    development.add_argument("--api-port", type=int, help="default: a free one")
    development.add_argument("--nats-port", type=int, help="default: a free one (one node only)")
    making = commands.add_parser(
        "binaries", help="make sure that the programs are there, and say where"
    )
    making.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"of {', '.join(Binary)}; default: those that the demo and the tests need",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
