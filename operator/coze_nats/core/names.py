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
CONNECTION_KIND = "CozeConnection"
PLURALS = {
    STREAM_KIND: "cozestreams",
    CONSUMER_KIND: "cozeconsumers",
    CONNECTION_KIND: "cozeconnections",
}
TOPOLOGY_KINDS = (STREAM_KIND, CONSUMER_KIND)
"""The kinds that stand for an object in JetStream."""

UNSEEN = {"observedGeneration": -1}
"""Status in the CRDs of a resource that the operator has not seen yet: without any, kstatus
would call it done. `kubectl wait`, Flux and others go by it; the first status takes its place."""

RECONCILE_REQUESTED_ANNOTATION = f"{GROUP}/reconcile-requested-at"
RESYNC_INTERVAL_ANNOTATION = f"{GROUP}/resync-interval"
"""A duration such as `10s`: look at this resource so often, beside the comparison of everything."""
RELEASE_ANNOTATION = f"{GROUP}/release"
"""`true` on a resource that is being deleted: let it go, and leave JetStream as it is."""
CONFIRM_DELETION_ANNOTATION = f"{GROUP}/confirm-deletion"
"""`true` on a resource that is being deleted: yes, although many others are as well."""

HAND_OVER_ANNOTATION = f"{GROUP}/hand-over-to"
"""`<namespace>/<name>` of the resource that takes the object over, once it declares it."""

OWNER_METADATA = "coze.dev/owner"
"""Key in an object's own metadata: `<cluster id>/<namespace>/<name>` of its resource."""
FORMER_OWNER_METADATA = "coze.dev/former-owner"
"""Key in an object's own metadata: the owner from whom it was taken over."""
START_METADATA = "coze.dev/start"
"""Key in a consumer's metadata, when it was created anew where its forerunner had stopped:
`<sequence> <the declared start that it stands for>`."""
FENCED_METADATA = "coze.dev/fenced"
"""Key in the metadata of a stream that takes nothing in for a while, as JSON: what it takes in."""
ANOTHER_NAME = "delete this resource and create one with another name"
ANOTHER_STREAM = "delete this resource and create one with the right streamRef"
ANOTHER_STREAM_NAME = "delete this resource and create one with the right streamName"
ANOTHER_CONNECTION = "delete this resource and create one with the right connection"
"""Remedies, where the field that is wrong can't be changed."""

OPERATOR_METADATA_PREFIX = "coze.dev/"
SERVER_METADATA_PREFIX = "_nats."


class Reason(StrEnum):
    """Why a resource is, or is not, Ready: the `reason` of its conditions and events."""

    CONVERGED = "Converged"
    CONNECTED = "Connected"
    IDLE = "Idle"

    # Reconciling: the operator is at it and goes on by itself.
    WAITING_FOR_STREAM = "WaitingForStream"
    NATS_UNAVAILABLE = "NATSUnavailable"
    RETRYING = "Retrying"
    REPLACING = "Replacing"
    SCALING = "Scaling"
    MOVING = "Moving"
    INSUFFICIENT_CAPACITY = "InsufficientCapacity"
    CONNECTION_NOT_FOUND = "ConnectionNotFound"
    CONNECTION_NOT_READY = "ConnectionNotReady"
    CONNECTING = "Connecting"
    UNREACHABLE = "Unreachable"
    JETSTREAM_SILENT = "JetStreamSilent"
    IN_USE = "InUse"

    # Held back because somebody said so.
    SUSPENDED = "Suspended"
    DRY_RUN = "DryRun"

    # Stalled: the user must act.
    INVALID_SPEC = "InvalidSpec"
    UNSUPPORTED_BY_SERVER = "UnsupportedByServer"
    REJECTED_BY_SERVER = "RejectedByServer"
    FORBIDDEN_SUBJECT = "ForbiddenSubject"
    NOT_GRANTED = "NotGranted"
    SUBJECT_OVERLAP = "SubjectOverlap"
    IMMUTABLE_FIELD = "ImmutableField"
    WOULD_LOSE_DATA = "WouldLoseData"
    OWNED_BY_ANOTHER = "OwnedByAnother"
    NOT_IDENTICAL = "NotIdentical"
    ADOPTION_REFUSED = "AdoptionRefused"
    MISSING = "Missing"
    DRIFT_CONTESTED = "DriftContested"
    MASS_DELETION = "MassDeletion"
    STREAM_IS_MANAGED = "StreamIsManaged"
    NOT_CONVERGING = "NotConverging"
    REPLICATION_STALLED = "ReplicationStalled"
    CONNECTION_NOT_ALLOWED = "ConnectionNotAllowed"
    SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105  # a reason, not a password
    SECRET_FORBIDDEN = "SecretForbidden"  # noqa: S105  # a reason, not a password
    SECRET_KEY_MISSING = "SecretKeyMissing"  # noqa: S105  # a reason, not a password
    CREDENTIALS_INVALID = "CredentialsInvalid"
    AUTHENTICATION_FAILED = "AuthenticationFailed"
    TLS_FAILED = "TLSFailed"
    ADDRESS_NOT_ALLOWED = "AddressNotAllowed"
    TOO_MANY_CONNECTIONS = "TooManyConnections"
    JETSTREAM_DISABLED = "JetStreamDisabled"
    SERVER_MISBEHAVES = "ServerMisbehaves"
    PERMISSION_DENIED = "PermissionDenied"


class EventReason(StrEnum):
    """What happened that nobody asked for; a condition that turns bad has its own reason."""

    ADOPTED = "Adopted"
    TAKEN_OVER = "TakenOver"
    RECREATED = "Recreated"
    REPLACED = "Replaced"
    DATA_LOSS_DETECTED = "DataLossDetected"
    MESSAGES_DISCARDED = "MessagesDiscarded"
    SUBJECTS_REMOVED = "SubjectsRemoved"
    DRIFT_CORRECTED = "DriftCorrected"
    RETAINED = "Retained"
    POSITION_LOST = "PositionLost"
    RELEASED = "Released"
    RECOVERED = "Recovered"
    STATUS_REFUSED = "StatusRefused"

    # Also the reasons of the conditions of these names.
    FILTER_MATCHES_NOTHING = "FilterMatchesNothing"
    REPLICATION_STALLED = "ReplicationStalled"


AS_DECLARED = frozenset(
    {Reason.CONVERGED, Reason.SCALING, Reason.MOVING, Reason.REPLICATION_STALLED}
)
"""With these, there is no difference between what is declared and what is there."""

WARNINGS = (EventReason.FILTER_MATCHES_NOTHING, EventReason.REPLICATION_STALLED)
"""Types of conditions that are there while something is wrong."""
