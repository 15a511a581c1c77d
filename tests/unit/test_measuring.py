"""What a request to the apiserver is counted as."""

import pytest

from coze_nats.kube.measuring import APPLY, asked

OURS = "/apis/jetstream.coze.dev/v1alpha1"


@pytest.mark.parametrize(
    "method, path, query, content_type, counted_as",
    [
        ("GET", f"{OURS}/cozestreams", {}, "", ("list", "cozestreams")),
        ("GET", f"{OURS}/cozestreams", {"watch": "true"}, "", ("watch", "cozestreams")),
        ("GET", f"{OURS}/namespaces/coze/cozestreams", {}, "", ("list", "cozestreams")),
        ("GET", f"{OURS}/namespaces/coze/cozestreams/a", {}, "", ("get", "cozestreams")),
        (
            "PATCH",
            f"{OURS}/namespaces/coze/cozestreams/a/status",
            {},
            APPLY,
            ("apply", "cozestreams/status"),
        ),
        (
            "PATCH",
            f"{OURS}/namespaces/coze/cozestreams/a",
            {},
            "application/json-patch+json",
            ("patch", "cozestreams"),
        ),
        ("POST", "/api/v1/namespaces/coze/events", {}, "", ("create", "events")),
        ("GET", "/api/v1/namespaces/coze/secrets/s", {}, "", ("get", "secrets")),
        ("GET", "/api/v1/namespaces/kube-system", {}, "", ("get", "namespaces")),
        (
            "PUT",
            "/apis/coordination.k8s.io/v1/namespaces/coze/leases/l",
            {},
            "",
            ("update", "leases"),
        ),
        ("GET", OURS, {}, "", ("get", "discovery")),
        ("GET", "/apis", {}, "", ("get", "discovery")),
    ],
)
def test_a_request_is_counted_by_verb_and_resource_without_names(
    method: str,
    path: str,
    query: dict[str, str],
    content_type: str,
    counted_as: tuple[str, str],
) -> None:
    assert asked(method, path, query, content_type) == counted_as
