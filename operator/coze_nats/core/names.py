"""Names that are part of the API: group, finalizer, annotations, metadata keys, reasons.

Users and other tools match on these strings, so they change only with an entry in the changelog.
What the reasons mean to a person stands in docs/reasons.md.
"""

from enum import StrEnum

GROUP = "jetstream.coze.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
FINALIZER = f"{GROUP}/finalizer"
FIELD_MANAGER = "coze-nats-operator"

STREAM_KIND = "CozeStream"
CONSUMER_KIND = "CozeConsumer"
PLURALS = {STREAM_KIND: "cozestreams", CONSUMER_KIND: "cozeconsumers"}

RECONCILE_REQUESTED_ANNOTATION = f"{GROUP}/reconcile-requested-at"

OWNER_METADATA = "coze.dev/owner"
"""Key in an object's own metadata: `<cluster id>/<namespace>/<name>` of its resource."""
OPERATOR_METADATA_PREFIX = "coze.dev/"
SERVER_METADATA_PREFIX = "_nats."


class Reason(StrEnum):
    """Why a resource is, or is not, Ready: the `reason` of its conditions and events."""

    CONVERGED = "Converged"

    # Reconciling: the operator is at it and goes on by itself.
    WAITING_FOR_STREAM = "WaitingForStream"
    NATS_UNAVAILABLE = "NATSUnavailable"
    RETRYING = "Retrying"
    INSUFFICIENT_CAPACITY = "InsufficientCapacity"

    # Stalled: the user must act.
    INVALID_SPEC = "InvalidSpec"
    UNSUPPORTED_BY_SERVER = "UnsupportedByServer"
    REJECTED_BY_SERVER = "RejectedByServer"
    SUBJECT_OVERLAP = "SubjectOverlap"
    IMMUTABLE_FIELD = "ImmutableField"
    WOULD_LOSE_DATA = "WouldLoseData"
    OWNED_BY_ANOTHER = "OwnedByAnother"
    NOT_IDENTICAL = "NotIdentical"
    STREAM_IS_MANAGED = "StreamIsManaged"
    NOT_CONVERGING = "NotConverging"


class EventReason(StrEnum):
    """What happened that nobody asked for; a condition that turns bad has its own reason."""

    ADOPTED = "Adopted"
    RECREATED = "Recreated"
    DRIFT_CORRECTED = "DriftCorrected"
    RETAINED = "Retained"
    RECOVERED = "Recovered"
