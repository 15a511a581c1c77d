"""The rows about what is declared: all of it, the streams, and the consumers."""

from dashboard.grafana import GREEN, ORANGE, RED, Row
from dashboard.panels import (
    CONNECTION,
    NONE_IS_GOOD,
    OBJECT,
    PLACE,
    bars,
    graph,
    objects,
    slow_rate,
    stat,
    table,
)

OVERVIEW = Row(
    "Overview",
    (
        stat(
            "Ready",
            f'sum(coze_nats_resources{{{PLACE},ready="True"}})'
            f" / sum(coze_nats_resources{{{PLACE}}})",
            "percentunit",
            ((None, RED), (0.9, ORANGE), (1, GREEN)),
        ),
        stat("Resources", f"sum(coze_nats_resources{{{PLACE}}})"),
        stat(
            "Not Ready",
            f'sum(coze_nats_resources{{{PLACE},ready!="True"}}) or vector(0)',
            steps=NONE_IS_GOOD,
        ),
        stat(
            "Connections down",
            f"count(max by (connection) (coze_nats_connection_up{{{CONNECTION}}}) == 0)"
            " or vector(0)",
            steps=NONE_IS_GOOD,
        ),
        stat(
            "Without a leader",
            f"(sum(coze_nats_stream_leaderless{{{OBJECT}}}) or vector(0))"
            f" + (sum(coze_nats_consumer_leaderless{{{OBJECT}}}) or vector(0))",
            steps=NONE_IS_GOOD,
        ),
        stat("Messages that wait", f"sum(coze_nats_consumer_pending_messages{{{OBJECT}}})"),
        table(
            "What is not Ready",
            {"kind": "Kind", "namespace": "Namespace", "name": "Name", "reason": "Reason"},
            f"max by (kind, namespace, name, reason) (coze_nats_resource_not_ready{{{PLACE}}})",
            says="Each resource that is not Ready, with the reason; docs/reasons.md explains them.",
        ),
        graph(
            "Resources by reason",
            (f"sum by (reason) (coze_nats_resources{{{PLACE}}})", "{{reason}}"),
            stack=True,
            colors={"Converged": GREEN},
        ),
    ),
)

STREAMS = Row(
    "Streams",
    (
        graph(
            "Messages taken in",
            (
                f"sum by (stream) ({slow_rate('stream_messages_stored_total')})",
                "{{stream}}",
            ),
            unit="cps",
            says="How many messages a second each stream takes in.",
        ),
        graph(
            "Messages stored",
            (f"sum by (stream) (coze_nats_stream_messages{{{OBJECT}}})", "{{stream}}"),
        ),
        graph(
            "Bytes stored",
            (f"sum by (stream) (coze_nats_stream_bytes{{{OBJECT}}})", "{{stream}}"),
            unit="bytes",
        ),
        table(
            "Streams",
            {
                "namespace": "Namespace",
                "name": "Resource",
                "stream": "Stream",
                "Value #A": "Messages",
                "Value #B": "Bytes",
                "Value #C": "Subjects",
                "Value #D": "Consumers",
                "Value #E": "Replicas",
                "Value #F": "Lag",
            },
            *objects(
                "stream",
                *(
                    "messages",
                    "bytes",
                    "subjects",
                    "consumers",
                    "replicas",
                    "replica_lag_operations",
                ),
            ),
        ),
        bars(
            "Limits used",
            f"sort_desc(coze_nats_stream_limit_used_ratio{{{OBJECT}}})",
            "{{stream}} {{limit}}",
        ),
    ),
)

CONSUMERS = Row(
    "Consumers",
    (
        graph(
            "Messages that wait",
            (
                f"sum by (stream, consumer) (coze_nats_consumer_pending_messages{{{OBJECT}}})",
                "{{stream}}/{{consumer}}",
            ),
            says="Messages that were not delivered yet: the backlog.",
        ),
        graph(
            "Deliveries",
            (
                f"sum by (stream, consumer) ({slow_rate('consumer_deliveries_total')})",
                "{{stream}}/{{consumer}}",
            ),
            unit="cps",
        ),
        graph(
            "Delivered and not acknowledged",
            (
                f"sum by (stream, consumer) (coze_nats_consumer_ack_pending_messages{{{OBJECT}}})",
                "{{stream}}/{{consumer}}",
            ),
            (
                f"sum by (stream, consumer) (coze_nats_consumer_redelivered_messages{{{OBJECT}}})",
                "{{stream}}/{{consumer}} redelivered",
            ),
        ),
        table(
            "Consumers",
            {
                "namespace": "Namespace",
                "name": "Resource",
                "stream": "Stream",
                "consumer": "Consumer",
                "Value #A": "Wait",
                "Value #B": "Unacknowledged",
                "Value #C": "Redelivered",
                "Value #D": "Open pulls",
                "Value #E": "Ack floor",
                "Value #F": "Paused",
            },
            *objects(
                "consumer",
                *("pending_messages", "ack_pending_messages", "redelivered_messages"),
                *("waiting_pulls", "ack_floor_sequence", "paused"),
            ),
        ),
        bars(
            "Limits used",
            f"sort_desc(coze_nats_consumer_limit_used_ratio{{{OBJECT}}})",
            "{{stream}}/{{consumer}} {{limit}}",
        ),
    ),
)
