"""One resource at a time: gather, decide, act, report, once for every kind.

`reconciler` is the loop; `converging` and `removing` decide and act, `performing` takes a plan's
steps, `reporting` writes status and events. What is decided comes from `coze_nats.core`, the world
is reached through `coze_nats.ports`, and when a resource is due is the queue's business.
"""

from coze_nats.reconcile.brake import Brake
from coze_nats.reconcile.context import Context, Rules, deletion_waits
from coze_nats.reconcile.reconciler import AWAY_GRACE, Next, Reconciler
from coze_nats.reconcile.reporting import Reporter, news_of_untouched

__all__ = [
    "AWAY_GRACE",
    "Brake",
    "Context",
    "Next",
    "Reconciler",
    "Reporter",
    "Rules",
    "deletion_waits",
    "news_of_untouched",
]
