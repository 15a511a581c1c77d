"""The matrix of logins once more, by the operator: what it reports, and that it tells no secret.

Every way to log in, over every kind of TLS, with the right credentials, wrong ones and malformed
ones: each is a CozeConnection in one cluster, and each that works has a CozeStream.
"""

import asyncio
import base64
import json

import pytest

from connections.site import Site, declare
from connections.systems import (
    ENCRYPTIONS,
    METHODS,
    VERSIONS,
    Identities,
    Method,
    Options,
    Systems,
)
from coze_nats.core import names
from support.tenant import Tenant

CONNECTION, STREAM = names.CONNECTION_KIND, names.STREAM_KIND
EXPECTED = {
    "right": ("Ready", "Connected"),
    "wrong": ("Stalled", "AuthenticationFailed"),
    "malformed": ("Stalled", "CredentialsInvalid"),
    "blank": ("Stalled", "SecretKeyMissing"),
}


def credentials(who: Identities, method: Method) -> dict[str, Options]:
    malformed = method.malformed(who)
    is_blank = not all(str(value).strip() for value in malformed.values())
    return {
        "right": method.right(who),
        "wrong": method.wrong(who),
        "blank" if is_blank else "malformed": malformed,
    }


@pytest.mark.parametrize(
    "version",
    [pytest.param(each, marks=() if each == "2.14.6" else pytest.mark.slow) for each in VERSIONS],
)
async def test_each_login_has_its_reason_and_no_secret_is_told_anywhere(
    site: Site, systems: Systems, version: str
) -> None:
    who = systems.identities
    tenant = Tenant(f"matrix-{version.replace('.', '-')}", site.resources)
    site.resources.create_namespace(tenant.namespace)
    secrets: set[str] = set()
    cells: dict[str, str] = {}
    for encryption in ENCRYPTIONS:
        for method in METHODS:
            url = systems.serving(version, encryption, method.known_by).url
            for kind, options in credentials(who, method).items():
                name = f"{encryption}-{method}-{kind}".replace(" ", "-").lower()
                complete = {**who.tls_options(encryption), **options}
                declare(tenant, name, url, encryption, complete)
                secrets |= set(who.secrets(complete))
                cells[name] = kind
    for name, kind in cells.items():
        await tenant.reports(CONNECTION, name, *EXPECTED[kind], within=60)
        if kind == "right":
            spec = {"connection": {"name": name}, "storage": "memory", "subjects": [name]}
            tenant.stream(name, **spec)
    await asyncio.gather(
        *(tenant.ready(STREAM, name, 60) for name, kind in cells.items() if kind == "right")
    )

    told = {
        "logs": site.operator.log,
        "status": json.dumps(
            [tenant.client.all_of(kind, tenant.namespace) for kind in (CONNECTION, STREAM)]
        ),
        "events": json.dumps(tenant.client.events(tenant.namespace)),
        "metrics": site.operator.probe("/metrics")[1],
        "health": site.operator.probe("/readyz")[1],
    }
    assert all(told.values())
    for place, text in told.items():
        for found in secrets:
            assert found not in text, place
            assert base64.b64encode(found.encode()).decode().rstrip("=")[:-2] not in text, place
