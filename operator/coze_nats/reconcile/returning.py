"""The consumers that resources bring back when the stream that they are on is made anew."""

from collections.abc import Iterator
from dataclasses import replace

from coze_nats.core.desired import Desired
from coze_nats.core.foreseen import refused_by
from coze_nats.core.live import Server
from coze_nats.core.looks import Returning
from coze_nats.core.names import Reason
from coze_nats.core.plan import plan
from coze_nats.core.remembered import says
from coze_nats.core.resource import Resource
from coze_nats.core.steps import Create
from coze_nats.reconcile.context import Context


def returning(
    context: Context,
    server: Server,
    resource: Resource,
    stream: Desired,
    was_lost: bool,  # noqa: FBT001 - the argument that a look gives
) -> dict[str, Returning]:
    """Consumer → what its resource does when the stream is made anew, if that is to create it.

    Args:
        was_lost: whether somebody else took the former stream away, and its consumers with it.
    """
    found: dict[str, Returning] = {}
    for consumer, wanted in _wanted(context, resource, stream):
        # A position in the former stream, where a replaced one was to go on, is none in this one.
        known = replace(context.situation(consumer, server), replacing=None)
        todo = plan(wanted, None, known if was_lost else replace(known, incarnation=None))
        for step in todo.steps:
            if isinstance(step, Create):
                each = Returning(known.owner, known.incarnation, step.config)
                found.setdefault(str(wanted.target.consumer), each)
    return found


def _wanted(
    context: Context, resource: Resource, stream: Desired
) -> Iterator[tuple[Resource, Desired]]:
    """The stream's CozeConsumers that are at work, and what they want of it."""
    namespace, name = resource.key.namespace, resource.key.name
    for key in sorted(context.resources.consumers_of(namespace, name)):
        consumer = context.resources.get(key)
        if consumer is None or consumer.deleting or not consumer.finalized:
            continue
        if not context.may_use(consumer):
            continue
        if consumer.spec.get("suspend") or says(consumer, Reason.REJECTED_BY_SERVER):
            continue
        wanted = context.intent(consumer)
        if not isinstance(wanted, Desired) or wanted.target.stream != stream.target.stream:
            continue
        wanted = wanted.under(stream.declared.get("consumer_limits"))
        if not refused_by(stream.declared, wanted):
            yield consumer, wanted
