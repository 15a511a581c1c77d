"""Bad input as people write it: refused by kubectl apply, naming the field and what to do.

Here is what the apiserver can judge. What only a NATS server can judge (overlaps with other
streams, more replicas than servers, …) ends as Stalled: see operator/test_refusals.py.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import dedent, indent

import pytest

from controlplane.kubernetes import KubernetesAPI
from coze_nats.core import names

NAMESPACE = "bad-input"
STREAM, CONSUMER = names.STREAM_KIND, names.CONSUMER_KIND


@dataclass(frozen=True, slots=True)
class BadInput:
    """The spec of a resource as somebody wrote it.

    Attributes:
        field: what the refusal must name.
        says: words of the refusal that tell what would be right.
    """

    kind: str
    spec: str
    field: str
    says: str


CASES = {
    "a field that does not exist": BadInput(
        STREAM, "subject: orders.>", "spec.subject", "unknown field"
    ),
    "a field in NATS's own spelling": BadInput(
        STREAM, "max_age: 24h", "spec.max_age", "unknown field"
    ),
    "a consumer's field on a stream": BadInput(
        STREAM, "ackWait: 30s", "spec.ackWait", "unknown field"
    ),
    "one subject instead of a list": BadInput(
        STREAM, "subjects: orders.>", "spec.subjects", "must be of type array"
    ),
    "a subject with a space": BadInput(
        STREAM, "subjects: ['orders new']", "spec.subjects[0]", "tokens joined by dots"
    ),
    "a subject that ends in a dot": BadInput(
        STREAM, "subjects: [orders.]", "spec.subjects[0]", "without spaces or empty tokens"
    ),
    "a wildcard within a token": BadInput(
        STREAM, "subjects: [orders.eu*]", "spec.subjects[0]", "* stands for one whole token"
    ),
    "a wildcard > in the middle": BadInput(
        STREAM, "subjects: [orders.>.new]", "spec.subjects[0]", "> only at the end"
    ),
    "a subject given twice": BadInput(
        STREAM, "subjects: [orders.*, orders.*]", "spec.subjects", "remove one of the two"
    ),
    "all subjects": BadInput(
        STREAM, "subjects: ['>']", "spec.subjects", "all that begin with a wildcard"
    ),
    "a name with a dot": BadInput(STREAM, "name: orders.v2", "spec.name", "use letters, digits"),
    "an age without a unit": BadInput(
        STREAM, "maxAge: 3600", "spec.maxAge", "must be of type string"
    ),
    "an age without a unit, in quotes": BadInput(
        STREAM, "maxAge: '3600'", "spec.maxAge", "such as 30s, 1.5h or 7d"
    ),
    "an age in words": BadInput(STREAM, "maxAge: 7 days", "spec.maxAge", "such as 30s, 1.5h or 7d"),
    "an age too short": BadInput(STREAM, "maxAge: 10ms", "spec.maxAge", "at least 100ms"),
    "a duplicate window longer than the age": BadInput(
        STREAM,
        "maxAge: 1m\nduplicateWindow: 2m",
        "spec.duplicateWindow",
        "not be longer than maxAge: shorten it",
    ),
    "a size in a unit of its own": BadInput(
        STREAM, "maxBytes: 10GB", "spec.maxBytes", "such as 512Mi or 10Gi"
    ),
    "a message size that NATS can't hold": BadInput(
        STREAM, "maxMsgSize: 2Gi", "spec.maxMsgSize", "below 2Gi"
    ),
    "no limit as 0": BadInput(
        STREAM, "maxMsgs: 0", "spec.maxMsgs", "leave it out, or use -1, for unlimited"
    ),
    "a number in quotes": BadInput(
        STREAM, "replicas: '3'", "spec.replicas", "must be of type integer"
    ),
    "too many replicas": BadInput(
        STREAM, "replicas: 7", "spec.replicas", "less than or equal to 5"
    ),
    "an enum in another case": BadInput(
        STREAM, "retention: workQueue", "spec.retention", '"workqueue"'
    ),
    "a mirror with subjects": BadInput(
        STREAM,
        """\
        mirror:
          name: orders
        subjects: [orders.>]
        """,
        "spec.mirror",
        "remove subjects and sources, or remove mirror",
    ),
    "a mirror of itself": BadInput(
        STREAM, "mirror: {name: wrong}", "spec.mirror", "mirror.name is the origin's name"
    ),
    "a transform that loses its wildcard": BadInput(
        STREAM,
        "subjectTransform: {source: 'in.*', destination: 'out.*'}",
        "spec.subjectTransform.destination",
        "instead of * write {{wildcard(1)}}",
    ),
    "a republish into the stream itself": BadInput(
        STREAM,
        """\
        subjects: [orders.>]
        republish: {destination: orders.copy.>}
        """,
        "spec.republish",
        "choose another subject",
    ),
    "discarding per subject without a limit per subject": BadInput(
        STREAM,
        "discard: new\ndiscardPerSubject: true",
        "spec.discardPerSubject",
        "needs discard: new and a maxMsgsPerSubject",
    ),
    "metadata that is not text": BadInput(
        STREAM, "metadata: {cost-center: 42}", "spec.metadata.cost-center", "of type string"
    ),
    "metadata that belongs to the operator": BadInput(
        STREAM, "metadata: {coze.dev/owner: me}", "spec.metadata", "choose another prefix"
    ),
    "no stream": BadInput(CONSUMER, "maxDeliver: 3", "spec", "name the stream exactly once"),
    "two streams": BadInput(
        CONSUMER,
        "streamRef: {name: orders}\nstreamName: ORDERS",
        "spec",
        "streamRef for a CozeStream, or streamName",
    ),
    "a stream's name in JetStream where its resource is meant": BadInput(
        CONSUMER, "streamRef: {name: ORDERS}", "spec.streamRef.name", "not a name in JetStream"
    ),
    "a reference that is no object": BadInput(
        CONSUMER, "streamRef: orders", "spec.streamRef", "must be of type object"
    ),
    "both kinds of filters": BadInput(
        CONSUMER,
        """\
        streamRef: {name: orders}
        filterSubject: orders.new
        filterSubjects: [orders.old]
        """,
        "spec.filterSubject",
        "put all filters into filterSubjects",
    ),
    "more backoffs than deliveries": BadInput(
        CONSUMER,
        "streamRef: {name: orders}\nbackoff: [1s, 10s, 1m, 10m]\nmaxDeliver: 3",
        "spec.backoff",
        "raise maxDeliver or shorten backoff",
    ),
    "backoffs as numbers": BadInput(
        CONSUMER,
        "streamRef: {name: orders}\nbackoff: [1, 10]",
        "spec.backoff[0]",
        "must be of type string",
    ),
    "an ack wait and backoffs that contradict it": BadInput(
        CONSUMER,
        "streamRef: {name: orders}\nackWait: 30s\nbackoff: [1s, 10s]",
        "spec.ackWait",
        "remove ackWait, or give it the same value",
    ),
    "an ack wait of nothing": BadInput(
        CONSUMER, "streamRef: {name: orders}\nackWait: 0s", "spec.ackWait", "longer than 0s"
    ),
    "a pull consumer with a heartbeat": BadInput(
        CONSUMER,
        "streamRef: {name: orders}\nidleHeartbeat: 5s",
        "spec.deliverSubject",
        "set deliverSubject or remove them",
    ),
    "a push consumer that limits its pulls": BadInput(
        CONSUMER,
        "streamRef: {name: orders}\ndeliverSubject: deliver\nmaxWaiting: 100",
        "spec.deliverSubject",
        "remove them or remove deliverSubject",
    ),
    "a start time without its policy": BadInput(
        CONSUMER,
        "streamRef: {name: orders}\noptStartTime: '2026-01-31T12:00:00Z'",
        "spec.optStartTime",
        "set both or neither",
    ),
    "a start time without a zone": BadInput(
        CONSUMER,
        """\
        streamRef: {name: orders}
        deliverPolicy: byStartTime
        optStartTime: 2026-01-31 12:00
        """,
        "spec.optStartTime",
        "such as 2026-01-31T12:00:00Z",
    ),
    "a percentage in words": BadInput(
        CONSUMER,
        "streamRef: {name: orders}\nsampleFreq: a third",
        "spec.sampleFreq",
        "a percentage such as 30 or '30%'",
    ),
}


@pytest.fixture(scope="module")
def namespace(apiserver: KubernetesAPI) -> Iterator[str]:
    """A namespace that must still hold nothing of ours in the end."""
    apiserver.kubectl("create", "namespace", NAMESPACE)
    yield NAMESPACE
    assert apiserver.kubectl("get", "coze", "-n", NAMESPACE, "-o", "name").stdout == ""


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_kubectl_apply_is_refused_with_the_field_and_the_remedy(
    apiserver: KubernetesAPI, namespace: str, case: BadInput
) -> None:
    manifest = (
        f"apiVersion: {names.API_VERSION}\nkind: {case.kind}\nmetadata:\n  name: wrong\nspec:\n"
        + indent(dedent(case.spec), "  ")
    )
    refused = apiserver.kubectl("apply", "-n", namespace, "-f", "-", input=manifest, check=False)
    assert refused.returncode
    blamed = next(line for line in refused.stderr.splitlines() if case.field in line)
    assert f"{case.field}: " in blamed or f'"{case.field}"' in blamed
    assert case.says in blamed
