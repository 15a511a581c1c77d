"""Consumers that a stream refuses for what it is, and consumers close by that it takes."""

from dataclasses import dataclass

from support.schema import Spec


@dataclass(frozen=True, slots=True)
class RefusedConsumer:
    """A stream, a consumer that every server refuses to create on it, and one that is accepted.

    Attributes:
        says: how the operator says so before it has tried.
    """

    stream: Spec
    spec: Spec
    accepted: Spec
    says: str


_WORK_QUEUE = "a work queue takes only deliverPolicy: all and ackPolicy: explicit"
REFUSED = {
    "a work queue wants acknowledgements": RefusedConsumer(
        {"retention": "workqueue"}, {"ackPolicy": "none"}, {}, _WORK_QUEUE
    ),
    "a work queue wants an acknowledgement of each": RefusedConsumer(
        {"retention": "workqueue"}, {"ackPolicy": "all"}, {"ackPolicy": "explicit"}, _WORK_QUEUE
    ),
    "a work queue is read from its beginning": RefusedConsumer(
        {"retention": "workqueue"}, {"deliverPolicy": "new"}, {"deliverPolicy": "all"}, _WORK_QUEUE
    ),
    "a stream is not delivered to itself": RefusedConsumer(
        {"subjects": ["jobs.*", "deliver.>"]},
        {"deliverSubject": "deliver.here", "maxWaiting": None},
        {"deliverSubject": "deliveries.here", "maxWaiting": None},
        "deliverSubject deliver.here is a subject of the stream itself",
    ),
    "filters don't overlap": RefusedConsumer(
        {"subjects": ["jobs.>"]},
        {"filterSubjects": ["jobs.a", "jobs.b.c", "jobs.*.c"]},
        {"filterSubjects": ["jobs.a", "jobs.b.c"]},
        "filterSubjects jobs.*.c and jobs.b.c overlap",
    ),
    "a consumer has no more replicas than its stream": RefusedConsumer(
        {}, {"replicas": 3}, {"replicas": 1}, "replicas 3 is more than the stream's 1"
    ),
    "a stream limits what may be pending": RefusedConsumer(
        {"consumerLimits": {"maxAckPending": 10}},
        {"maxAckPending": 11},
        {"maxAckPending": 10},
        "maxAckPending 11 is more than the stream's 10",
    ),
    "a stream limits inactivity": RefusedConsumer(
        {"consumerLimits": {"inactiveThreshold": "1h"}},
        {"inactiveThreshold": "2h"},
        {"inactiveThreshold": "1h"},
        "inactiveThreshold 2h is more than the stream's 1h",
    ),
}
