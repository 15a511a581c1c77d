"""examples/nats: what Docker Compose and NATS's chart are given, run by real nats-servers."""

import asyncio
import json
import re
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import nats
import pytest
import yaml

from controlplane import binaries, ports
from controlplane.nats import NatsServer
from support.connections import gateway_to
from support.eventually import eventually

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "nats"
COMPOSE = yaml.safe_load((EXAMPLES / "compose.yaml").read_text(encoding="utf-8"))
VALUES = yaml.safe_load((EXAMPLES / "values.yaml").read_text(encoding="utf-8"))
PASSWORDS = {
    "OPERATOR_PASSWORD": "pbc0123456789",
    "STUDIO_PASSWORD": "pdc0123456789",
    "ADMIN_PASSWORD": "pac0123456789",
}
SIZES = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def size(text: str) -> int:
    """Bytes of `18Gi`."""
    return int(text[:-2]) * SIZES[text[-2:]]


# --- compose.yaml ---------------------------------------------------------------------------------


def test_the_compose_file_is_as_the_specification_says() -> None:
    checker = str(ROOT / ".venv" / "bin" / "check-jsonschema")
    outcome = subprocess.run(
        [checker, "--builtin-schema", "vendor.compose-spec", str(EXAMPLES / "compose.yaml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout


def test_its_ports_are_open_to_this_machine_only() -> None:
    published = [port for each in COMPOSE["services"].values() for port in each["ports"]]
    assert len(published) == 3
    assert all(re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port) for port in published)


def test_its_images_are_of_a_version_and_its_server_of_the_one_that_is_tested() -> None:
    images = {name: each["image"] for name, each in COMPOSE["services"].items()}
    assert images["nats"] == f"docker.io/library/nats:{binaries.NATS}-alpine"
    assert all(re.search(r":\d+\.\d+\.\d+(-alpine)?$", image) for image in images.values())


def test_what_a_service_names_is_there() -> None:
    for service in COMPOSE["services"].values():
        assert {each["source"] for each in service.get("configs", ())} <= set(COMPOSE["configs"])
        mounts = {each.partition(":")[0] for each in service.get("volumes", ())}
        assert mounts <= set(COMPOSE["volumes"])
        assert set(service.get("depends_on", ())) <= set(COMPOSE["services"])
    assert all((EXAMPLES / each["file"]).is_file() for each in COMPOSE["configs"].values())


@pytest.mark.parametrize("version", binaries.nats_versions())
def test_a_server_of_any_version_takes_its_configuration(version: str) -> None:
    server = str(binaries.nats_server(version))
    outcome = subprocess.run(
        [server, "-t", "-c", str(EXAMPLES / "nats.conf")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr


def test_the_health_check_and_the_ports_are_those_of_the_configuration() -> None:
    text = (EXAMPLES / "nats.conf").read_text(encoding="utf-8")
    listening = set(re.findall(r'^(?:listen|http): "0\.0\.0\.0:(\d+)"$', text, re.MULTILINE))
    server = COMPOSE["services"]["nats"]
    assert listening == {port.rpartition(":")[2] for port in server["ports"]}
    assert server["healthcheck"]["test"][-1] == "http://127.0.0.1:8222/healthz"
    assert 'store_dir: "/data"' in text
    assert server["volumes"] == ["jetstream:/data"]


# --- values.yaml ----------------------------------------------------------------------------------


def in_nats_words(value: object) -> str:
    """A value in NATS's configuration language, as the chart writes it: `<< x >>` is bare."""
    if isinstance(value, Mapping):
        inner = "\n".join(f"{json.dumps(key)}: {in_nats_words(value[key])}" for key in value)
        return f"{{\n{inner}\n}}"
    if isinstance(value, list):
        return f"[{', '.join(map(in_nats_words, value))}]"
    if isinstance(value, str) and (bare := re.fullmatch(r"<<\s*(.*?)\s*>>", value)):
        return bare[1]
    return json.dumps(value)


def configuration(certificates: Path, route_port: int, routes: list[int]) -> str:
    """What chart 2.14.2 makes of the values, but for places and ports."""
    given = VALUES["config"]
    tls = {
        "ca_file": str(certificates / VALUES["tlsCA"].get("key", "ca.crt")),
        "cert_file": str(certificates / "tls.crt"),
        "key_file": str(certificates / "tls.key"),
    }
    whole = {
        "cluster": {
            "name": "nats",
            "no_advertise": True,
            "listen": f"{ports.LOOPBACK}:{route_port}",
            "routes": [f"tls://localhost:{port}" for port in routes],
            "tls": tls | given["cluster"]["tls"]["merge"],
        },
        "tls": tls,
        **given["merge"],
    }
    return "\n".join(f"{key}: {in_nats_words(value)}" for key, value in whole.items())


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made as the page says; the servers here are called localhost, too."""
    directory = tmp_path_factory.mktemp("certificates")
    subprocess.run(
        [EXAMPLES / "certificates.sh", directory, "localhost"], capture_output=True, check=True
    )
    assert {path.name for path in directory.iterdir()} == {"ca.crt", "tls.crt", "tls.key"}
    return directory


@pytest.fixture(scope="module")
def servers(certificates: Path) -> Iterator[list[NatsServer]]:
    """Three servers as the values have them, but without their limits of disk and memory."""
    with ExitStack() as stack:
        variables = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in PASSWORDS.items():
            variables.setenv(name, value)
        routes = [ports.free() for _ in range(VALUES["config"]["cluster"]["replicas"])]
        nodes = [
            NatsServer(name=f"nats-{number}", config=configuration(certificates, port, routes))
            for number, port in enumerate(routes)
        ]
        for node in nodes:
            stack.callback(node.stop)
            node.launch()
        for node in nodes:
            node.await_ready()
        eventually(lambda: nodes[0].monitor("/jsz").get("meta_cluster", {}).get("leader"))
        yield nodes


def as_operator(certificates: Path, **other: Any) -> dict[str, Any]:
    return {
        "user": "coze-operator",
        "password": PASSWORDS["OPERATOR_PASSWORD"],
        "ca_file": str(certificates / "ca.crt"),
        **other,
    }


def secure(server: NatsServer) -> str:
    return f"tls://localhost:{server.port}"


async def test_the_operator_makes_a_replicated_stream_over_tls(
    servers: list[NatsServer], certificates: Path
) -> None:
    urls = [secure(server) for server in servers]
    stream = {"name": "orders", "subjects": ["orders.>"], "num_replicas": 3}
    async with gateway_to(*urls, **as_operator(certificates)) as gateway:
        await gateway.create_stream(stream)
        found = await gateway.stream("orders")
        assert found
        assert found.config["num_replicas"] == 3
        await gateway.delete_stream("orders")


async def test_the_operator_may_do_nothing_but_its_work(
    servers: list[NatsServer], certificates: Path
) -> None:
    refused: asyncio.Queue[Exception] = asyncio.Queue()
    client = await nats.connect(
        secure(servers[0]),
        user="coze-operator",
        password=PASSWORDS["OPERATOR_PASSWORD"],
        tls=ssl.create_default_context(cafile=certificates / "ca.crt"),
        error_cb=refused.put,
        allow_reconnect=False,
    )
    await client.publish("coze.workflow.1.started", b"")
    error = await asyncio.wait_for(refused.get(), 10)
    await client.close()
    assert 'permissions violation for publish to "coze.workflow.1.started"' in str(error)


def test_its_rights_are_the_documented_ones() -> None:
    users = VALUES["config"]["merge"]["accounts"]["COZE"]["users"]
    (given,) = (user["permissions"] for user in users if user["user"] == "coze-operator")
    page = (ROOT / "docs" / "permissions.md").read_text(encoding="utf-8")
    for verb, subjects in given.items():
        found = re.search(rf"^ +{verb}: \[(.+?)\]", page, re.DOTALL | re.MULTILINE)
        assert found
        assert sorted(subjects) == sorted(re.findall(r'"([^"]+)"', found[1]))
    assert set(given) == {"publish", "subscribe"}


def test_the_servers_talk_to_each_other_by_tls_only(servers: list[NatsServer]) -> None:
    varz = servers[0].monitor("/varz")
    assert varz["cluster"]["tls_required"] is True
    assert varz["cluster"]["tls_verify"] is True
    assert varz["tls_required"] is True


def test_there_is_room_beside_what_jetstream_may_use() -> None:
    jetstream = VALUES["config"]["jetstream"]
    assert size(jetstream["fileStore"]["maxSize"]) <= 0.9 * size(
        jetstream["fileStore"]["pvc"]["size"]
    )
    container = VALUES["container"]
    limit = size(container["merge"]["resources"]["limits"]["memory"])
    garbage_collected_at = size(container["env"]["GOMEMLIMIT"].removesuffix("B"))
    assert size(jetstream["memoryStore"]["maxSize"]) < garbage_collected_at < limit


def test_every_variable_of_the_configuration_is_given_to_the_container() -> None:
    used = set(re.findall(r"<< \$(\w+) >>", (EXAMPLES / "values.yaml").read_text(encoding="utf-8")))
    assert used == set(PASSWORDS)
    assert used <= set(VALUES["container"]["env"])


def test_the_certificates_by_cert_manager_have_the_names_of_those_by_the_script(
    certificates: Path,
) -> None:
    documents = yaml.safe_load_all((EXAMPLES / "certificates.yaml").read_text(encoding="utf-8"))
    named = next(
        each
        for each in documents
        if each["metadata"]["name"] == "nats" and each["kind"] == "Certificate"
    )["spec"]
    shown = subprocess.run(
        ["openssl", "x509", "-in", certificates / "tls.crt", "-noout", "-ext", "subjectAltName"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert [*named["dnsNames"], "localhost"] == re.findall(r"DNS:([^,\s]+)", shown)
    assert named["secretName"] == VALUES["config"]["nats"]["tls"]["secretName"]
