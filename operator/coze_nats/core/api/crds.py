"""Models → CustomResourceDefinitions: the structural schemas, columns and rules that users install.

`hack/generate.py` writes the result to crds/. Pydantic does the schema; here only what Kubernetes
wants otherwise is changed: references inlined, titles and defaults dropped, no nulls.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from coze_nats.core import names
from coze_nats.core.api.connection import ConnectionSpec
from coze_nats.core.api.consumer import ConsumerSpec
from coze_nats.core.api.rules import IDENTITY_RULES
from coze_nats.core.api.status import ConnectionStatus, ConsumerStatus, StreamStatus
from coze_nats.core.api.stream import StreamSpec
from coze_nats.core.api.stream_rules import STREAM_RESOURCE_RULES


@dataclass(frozen=True, slots=True)
class Column:
    """One of `additionalPrinterColumns`; priority 1 shows with `-o wide` only."""

    name: str
    path: str
    type: str = "string"
    priority: int = 0
    description: str = ""


@dataclass(frozen=True, slots=True)
class Definition:
    """All that makes a CRD of a pair of models.

    Attributes:
        rules: CEL rules over the whole object, where metadata.name can be judged too.
        selectable: fields for `kubectl get --field-selector`.
    """

    kind: str
    short_names: tuple[str, ...]
    description: str
    spec: type[BaseModel]
    status: type[BaseModel]
    columns: tuple[Column, ...]
    rules: tuple[Mapping[str, str], ...]
    selectable: tuple[str, ...] = ()


_READY = 'conditions[?(@.type=="Ready")]'
_HEALTH = (
    Column(
        "Ready", f".status.{_READY}.status", description="Whether JetStream has what is declared"
    ),
    Column("Reason", f".status.{_READY}.reason", description="Why, or why not"),
)
_PLACE = (
    Column("Replicas", ".status.replicas", "integer", 1, "Servers that hold a copy"),
    Column("Leader", ".status.leader", "string", 1, "Server that leads"),
)
_CONNECTION = Column(
    "Connection", ".spec.connection.name", "string", 1, "Its CozeConnection; none: the operator's"
)
_AGE = Column("Age", ".metadata.creationTimestamp", "date")


def _warning(reason: names.EventReason) -> Column:
    path = f'.status.conditions[?(@.type=="{reason}")].reason'
    return Column("Warning", path, description="What is wrong besides")


# The last one, as it may be long.
_MESSAGE = Column("Message", f".status.{_READY}.message", "string", 1, "What is wrong, for people")
_SELECTABLE = (".spec.connection.name", ".spec.connection.namespace")
STREAM = Definition(
    kind=names.STREAM_KIND,
    short_names=("cstream",),
    description="A NATS JetStream stream, created and kept as declared by the operator.",
    spec=StreamSpec,
    status=StreamStatus,
    columns=(
        *_HEALTH,
        Column("Stream", ".status.stream", description="Name in JetStream"),
        Column("Messages", ".status.messages", "integer", description="Messages stored"),
        _warning(names.EventReason.REPLICATION_STALLED),
        Column("Subjects", ".spec.subjects", "string", 1, "Its subjects; none: its name"),
        _CONNECTION,
        *_PLACE,
        Column("Bytes", ".status.bytes", "integer", 1, "Bytes stored"),
        _AGE,
        _MESSAGE,
    ),
    rules=STREAM_RESOURCE_RULES,
    selectable=(".spec.name", ".spec.retention", ".spec.storage", *_SELECTABLE),
)

CONSUMER = Definition(
    kind=names.CONSUMER_KIND,
    short_names=("cconsumer",),
    description="A durable NATS JetStream consumer, created and kept as declared by the operator.",
    spec=ConsumerSpec,
    status=ConsumerStatus,
    columns=(
        *_HEALTH,
        Column("Stream", ".status.stream", description="Name of the stream in JetStream"),
        Column("Pending", ".status.pending", "integer", description="Messages not delivered yet"),
        _warning(names.EventReason.FILTER_MATCHES_NOTHING),
        Column("Consumer", ".status.consumer", "string", 1, "Name of the consumer in JetStream"),
        _CONNECTION,
        *_PLACE,
        Column("Ack Pending", ".status.ackPending", "integer", 1, "Delivered, not acknowledged"),
        _AGE,
        _MESSAGE,
    ),
    rules=IDENTITY_RULES,
    selectable=(".spec.name", ".spec.streamRef.name", ".spec.streamName", *_SELECTABLE),
)

CONNECTION = Definition(
    kind=names.CONNECTION_KIND,
    short_names=("cconnection",),
    description="A NATS system, and how the operator logs in to it for streams and consumers.",
    spec=ConnectionSpec,
    status=ConnectionStatus,
    columns=(
        Column("Ready", f".status.{_READY}.status", description="Whether NATS can be used"),
        Column("Reason", f".status.{_READY}.reason", description="Why, or why not"),
        Column("Server", ".status.server.version", description="Version of nats-server"),
        Column("Cluster", ".status.server.cluster", description="Name of the NATS cluster"),
        Column("Streams", ".status.account.streams.used", "integer", 0, "In the account"),
        Column("Consumers", ".status.account.consumers.used", "integer", 0, "In the account"),
        Column("Storage", ".status.account.storage.used", "integer", 0, "Bytes in files"),
        Column("Memory", ".status.account.memory.used", "integer", 1, "Bytes in memory"),
        Column("Max-Streams", ".status.account.streams.limit", "integer", 1, "Empty: unlimited"),
        Column("Max-Consumers", ".status.account.consumers.limit", "integer", 1, "Likewise"),
        Column("Max-Storage", ".status.account.storage.limit", "integer", 1, "Likewise"),
        Column("Max-Memory", ".status.account.memory.limit", "integer", 1, "Likewise"),
        Column("API-Level", ".status.server.apiLevel", "integer", 1, "Of the server's JetStream"),
        _AGE,
        _MESSAGE,
    ),
    rules=(),
)

DEFINITIONS = (STREAM, CONSUMER, CONNECTION)


class _Structural(GenerateJsonSchema):
    """Pydantic's generator without what a structural schema can't hold: nulls."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])


_DROPPED = frozenset({"title", "default"})


def _structural(schema: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_structural(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        target = definitions[schema["$ref"].rpartition("/")[2]]
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    found: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "properties":
            found[key] = {name: _structural(item, definitions) for name, item in value.items()}
        elif key == "description":
            found[key] = " ".join(value.split())
        elif key == "const":
            found["enum"] = [value]
        elif key == "additionalProperties" and value is False:
            continue
        elif key not in _DROPPED:
            found[key] = _structural(value, definitions)
    return found


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """The structural OpenAPI v3 schema of a model, ready for a CRD."""
    schema = model.model_json_schema(by_alias=True, schema_generator=_Structural)
    found: dict[str, Any] = _structural(schema, schema.pop("$defs", {}))
    return found


def _printer_column(column: Column) -> dict[str, Any]:
    found: dict[str, Any] = {"name": column.name, "type": column.type, "jsonPath": column.path}
    if column.description:
        found["description"] = column.description
    if column.priority:
        found["priority"] = column.priority
    return found


def custom_resource_definition(definition: Definition) -> dict[str, Any]:
    """The CustomResourceDefinition (apiextensions.k8s.io/v1) of a kind, as JSON."""
    plural = names.PLURALS[definition.kind]
    schema: dict[str, Any] = {
        "type": "object",
        "description": definition.description,
        # A manifest whose indentation is wrong has none, and would mean a stream without limits.
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": schema_of(definition.spec),
            "status": {**schema_of(definition.status), "default": dict(names.UNSEEN)},
        },
    }
    if definition.rules:
        schema["x-kubernetes-validations"] = [dict(found) for found in definition.rules]
    version = {
        "name": names.VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": schema},
        "additionalPrinterColumns": [_printer_column(column) for column in definition.columns],
    }
    if definition.selectable:
        version["selectableFields"] = [{"jsonPath": path} for path in definition.selectable]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{names.GROUP}"},
        "spec": {
            "group": names.GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": definition.kind,
                "listKind": f"{definition.kind}List",
                "plural": plural,
                "singular": definition.kind.lower(),
                "shortNames": list(definition.short_names),
                "categories": ["coze"],
            },
            "versions": [version],
        },
    }
