"""TLS of nats-servers: the block that goes into their configuration."""

import json

from controlplane.certificates import Authority


def tls_block(
    authority: Authority, name: str = "nats", *, verify: bool = False, handshake_first: bool = False
) -> str:
    """`tls { … }` with a new certificate; with `verify`, clients have to show theirs, too.

    A node of a cluster shows the certificate as a client as well, to the other nodes.
    """
    pair = authority.issue_peer(name)
    files = {"cert_file": pair.certificate, "key_file": pair.key, "ca_file": authority.certificate}
    lines = [f"{word}: {json.dumps(str(path))}" for word, path in files.items()]
    lines.append(f"verify: {json.dumps(verify)}")
    if handshake_first:
        lines.append("handshake_first: true")
    return f"tls {{ {', '.join(lines)} }}"
