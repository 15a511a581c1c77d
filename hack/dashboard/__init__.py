"""The Grafana dashboard; generate.py writes it into the chart.

`grafana` knows the form, `topology` and `operations` say what is shown.
"""

from dashboard import grafana
from dashboard.grafana import Json, Variable
from dashboard.operations import OPERATOR, SERVERS
from dashboard.panels import CONNECTION, PLACE
from dashboard.topology import CONSUMERS, OVERVIEW, STREAMS

VARIABLES = (
    Variable("connection", "Connection", "coze_nats_connection_up"),
    Variable("namespace", "Namespace", "coze_nats_resources"),
    Variable("stream", "Stream", f"coze_nats_stream_messages{{{PLACE},{CONNECTION}}}"),
)

ROWS = (OVERVIEW, STREAMS, CONSUMERS, OPERATOR, SERVERS)


def dashboard() -> Json:
    """The dashboard's JSON model."""
    return grafana.dashboard("Coze NATS operator", "coze-nats-operator", VARIABLES, ROWS)
