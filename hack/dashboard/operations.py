"""The rows about who does the work: the operator, and the NATS servers."""

from dashboard.grafana import GREEN, ORANGE, RED, Row
from dashboard.panels import CONNECTION, RARE, RATE, graph, quantiles, table

FAILED = f'{{{CONNECTION},result!~"success|not_found"}}'

OPERATOR = Row(
    "Operator",
    (
        graph(
            "Reconciles",
            (
                f"sum by (result) (rate(coze_nats_reconcile_duration_seconds_count{RATE}))",
                "{{result}}",
            ),
            unit="ops",
            stack=True,
            colors={"done": GREEN, "retry": ORANGE, "error": RED},
        ),
        graph(
            "Time of a reconcile",
            *quantiles("coze_nats_reconcile_duration_seconds", "kind"),
            unit="s",
        ),
        graph(
            "From apply to Ready",
            *quantiles("coze_nats_resource_ready_duration_seconds", "kind", window=RARE),
            unit="s",
            says="From hearing of a new or changed spec to the written status, in half an hour.",
        ),
        graph(
            "Queue",
            ("sum by (state) (coze_nats_queue_depth)", "{{state}}"),
            says="parked: until NATS is back; delayed: until a time.",
            stack=True,
        ),
        graph(
            "Time in the queue",
            *quantiles("coze_nats_queue_wait_seconds"),
            ("max(coze_nats_queue_oldest_seconds)", "oldest"),
            unit="s",
        ),
        graph(
            "Retries, refusals and drift",
            (f"sum(rate(coze_nats_reconcile_retries_total{RATE}))", "retries"),
            (f"sum by (reason) (rate(coze_nats_plan_refusals_total{RATE}))", "refused: {{reason}}"),
            (f"sum by (field) (rate(coze_nats_drift_found_total{RATE}))", "drift: {{field}}"),
            (f"sum by (field) (rate(coze_nats_drift_repaired_total{RATE}))", "repaired: {{field}}"),
            unit="ops",
        ),
        graph(
            "Requests to JetStream",
            (
                f"sum by (verb) (rate(coze_nats_jetstream_requests_total{{{CONNECTION}}}{RATE}))",
                "{{verb}}",
            ),
            (
                f"sum by (result) (rate(coze_nats_jetstream_requests_total{FAILED}{RATE}))",
                "failed: {{result}}",
            ),
            unit="reqps",
        ),
        graph(
            "Time of a request to JetStream",
            *quantiles("coze_nats_jetstream_request_duration_seconds", "verb", f"{{{CONNECTION}}}"),
            unit="s",
        ),
        graph(
            "Comparisons with JetStream",
            *quantiles("coze_nats_resync_duration_seconds", "result", f"{{{CONNECTION}}}"),
            unit="s",
            says="How long a resync takes, by its result.",
        ),
        graph(
            "Requests to Kubernetes",
            (
                f"sum by (verb, resource) (rate(coze_nats_kubernetes_requests_total{RATE}))",
                "{{verb}} {{resource}}",
            ),
            (
                f'sum by (code) (rate(coze_nats_kubernetes_requests_total{{code!~"2.."}}{RATE}))',
                "failed: {{code}}",
            ),
            unit="reqps",
        ),
        graph(
            "Time of a request to Kubernetes",
            *quantiles("coze_nats_kubernetes_request_duration_seconds", "verb"),
            unit="s",
        ),
        graph(
            "CPU",
            (
                f"rate(process_cpu_seconds_total{RATE}) and on (instance) coze_nats_build_info",
                "{{instance}}",
            ),
            says="CPU cores in use.",
        ),
        graph(
            "Memory",
            (
                "process_resident_memory_bytes and on (instance) coze_nats_build_info",
                "{{instance}}",
            ),
            unit="bytes",
        ),
        table(
            "Processes",
            {
                "instance": "Process",
                "version": "Version",
                "shard": "Shard",
                "Value #A": "Runs",
                "Value #B": "Leads",
            },
            "max by (instance, version) (coze_nats_build_info)",
            "max by (instance, shard) (coze_nats_leader)",
            width=8,
        ),
        table(
            "Connections",
            {
                "connection": "Connection",
                "server_version": "Server",
                "Value #A": "Up",
                "Value #B": "Sessions",
            },
            f"max by (connection) (coze_nats_connection_up{{{CONNECTION}}})",
            f"max by (connection) (coze_nats_connection_sessions_total{{{CONNECTION}}})",
            f"max by (connection, server_version) (coze_nats_connection_info{{{CONNECTION}}})",
            width=8,
        ),
    ),
)

SERVERS = Row(
    "NATS servers (figures of prometheus-nats-exporter)",
    (
        graph("Connections", ("nats_varz_connections", "{{server_id}}")),
        graph(
            "Messages in and out",
            (f"rate(nats_varz_in_msgs{RATE})", "{{server_id}} in"),
            (f"rate(nats_varz_out_msgs{RATE})", "{{server_id}} out"),
            unit="cps",
        ),
        graph(
            "Bytes in and out",
            (f"rate(nats_varz_in_bytes{RATE})", "{{server_id}} in"),
            (f"rate(nats_varz_out_bytes{RATE})", "{{server_id}} out"),
            unit="Bps",
        ),
        graph("CPU", ("nats_varz_cpu", "{{server_id}}"), unit="percent"),
        graph("Memory", ("nats_varz_mem", "{{server_id}}"), unit="bytes"),
        graph("Slow consumers", ("nats_varz_slow_consumers", "{{server_id}}")),
        graph(
            "JetStream storage used",
            (
                "nats_varz_jetstream_stats_storage / nats_varz_jetstream_config_max_storage",
                "{{server_id}} files",
            ),
            (
                "nats_varz_jetstream_stats_memory / nats_varz_jetstream_config_max_memory",
                "{{server_id}} memory",
            ),
            unit="percentunit",
        ),
        graph(
            "Streams and consumers",
            ("nats_server_total_streams", "{{server_id}} streams"),
            ("nats_server_total_consumers", "{{server_id}} consumers"),
        ),
        graph(
            "Requests to JetStream's API",
            (f"rate(nats_varz_jetstream_stats_api_total{RATE})", "{{server_id}}"),
            (f"rate(nats_varz_jetstream_stats_api_errors{RATE})", "{{server_id}} errors"),
            unit="reqps",
        ),
    ),
    folded=True,
)
