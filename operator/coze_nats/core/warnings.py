"""What is wrong although a resource is as declared."""

from collections.abc import Mapping
from typing import Any

from coze_nats.core.bounds import listed
from coze_nats.core.desired import Desired
from coze_nats.core.subjects import reaches

_UNKNOWABLE = frozenset(
    {"mirror", "sources", "subjectTransform", "subject_transform"},
)
"""Fields of a stream with which its subjects don't tell what it stores."""


def filter_warning(desired: Desired, stream: Mapping[str, Any]) -> str:
    """That a consumer's filter can never match what its stream stores; "" if it can.

    Args:
        stream: the stream's config, on the wire or in the spec's terms.
    """
    declared = desired.declared
    one = declared.get("filter_subject")
    filters = declared.get("filter_subjects") or ([one] if one else [])
    subjects = stream.get("subjects") or ()
    if not filters or not subjects or _UNKNOWABLE & stream.keys() or reaches(filters, subjects):
        return ""
    return (
        f"filterSubject: {listed(filters)} can never match a message of stream "
        f"{desired.target.stream}, which stores {listed(subjects)}: correct one of the two"
    )
