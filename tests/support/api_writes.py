"""The writes that an API server has counted itself, by anybody, for our kinds and for events."""

import re
from collections import Counter

from controlplane.kubernetes import KubernetesAPI
from coze_nats.core import names

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE", "APPLY"})
OURS = frozenset({*names.PLURALS.values(), "events"})


def writes(kubernetes: KubernetesAPI) -> Counter[str]:
    """How often it was written to since it started, by verb, resource, subresource and code."""
    found: Counter[str] = Counter()
    for line in kubernetes.metrics().splitlines():
        if line.startswith("apiserver_request_total{"):
            labels = dict(re.findall(r'(\w+)="([^"]*)"', line))
            if labels["verb"] in WRITES and labels["resource"] in OURS:
                what = " ".join(labels[key] for key in ("verb", "resource", "subresource", "code"))
                found[what] += int(float(line.rpartition(" ")[2]))
    return found
