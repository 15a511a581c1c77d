"""What the apiserver judges about a CozeConsumer beyond single fields.

Read in nats-server's checkConsumerCfg, 2.10.26 to 2.15.1. What depends on the stream (its replicas,
its retention, its subjects) is left to the server.
"""

from coze_nats.core.api.rules import are_equal, is_on, is_reserved, nanoseconds, rule

# A word that CEL keeps for itself stands between underscores; newer API servers take it as it is.
_STREAM = "[{0}.?streamRef.name.orValue(''), {0}.?streamRef.__namespace__.orValue('')]"
_ON_STREAM = (
    rule(
        "has(self.streamRef) != has(self.streamName)",
        "name the stream exactly once: streamRef for a CozeStream, or streamName "
        "for a stream that no CozeStream manages",
    ),
    rule(
        f"!has(oldSelf.streamRef) || {_STREAM.format('self')} == {_STREAM.format('oldSelf')}",
        "streamRef can't be changed: delete this resource and create another one",
        "streamRef",
    ),
    rule(
        "has(oldSelf.streamName) ? !has(self.streamName) || self.streamName == oldSelf.streamName "
        ": !has(self.streamName)",
        "streamName can't be changed, but for streamRef when a CozeStream has come to manage that "
        "stream: delete this resource and create another one",
        "streamName",
    ),
    rule(
        "!(has(self.streamRef) && has(self.connection))",
        "a consumer with streamRef lives where its CozeStream lives: remove connection",
        "connection",
    ),
)
_ON_DELIVERY = (
    rule(
        "!(has(self.filterSubject) && has(self.filterSubjects))",
        "filterSubject excludes filterSubjects: put all filters into filterSubjects",
        "filterSubject",
    ),
    rule(
        "has(self.optStartSeq) == (self.?deliverPolicy.orValue('all') == 'byStartSequence')",
        "optStartSeq and deliverPolicy: byStartSequence go together: set both or neither",
        "optStartSeq",
    ),
    rule(
        "has(self.optStartTime) == (self.?deliverPolicy.orValue('all') == 'byStartTime')",
        "optStartTime and deliverPolicy: byStartTime go together: set both or neither",
        "optStartTime",
    ),
    rule(
        "self.?deliverPolicy.orValue('all') != 'lastPerSubject' "
        "|| has(self.filterSubject) || has(self.filterSubjects)",
        "deliverPolicy: lastPerSubject needs filterSubject or filterSubjects",
        "deliverPolicy",
    ),
)
_ACK_POLICY = "self.?ackPolicy.orValue('explicit')"
_ON_ACKS = (
    rule(
        "!has(self.backoff) || self.?maxDeliver.orValue(-1) == -1 "
        "|| size(self.backoff) <= self.maxDeliver",
        "backoff must not be longer than maxDeliver: raise maxDeliver or shorten backoff",
        "backoff",
    ),
    rule(
        "!has(self.backoff) || !has(self.ackWait) "
        f"|| {are_equal(nanoseconds('self.ackWait'), nanoseconds('self.backoff[0]'))}",
        "the first backoff takes the place of ackWait: remove ackWait, or give it the same value",
        "ackWait",
    ),
    rule(
        f"{_ACK_POLICY} != 'none' || !has(self.deliverSubject) "
        "|| self.?maxAckPending.orValue(-1) == -1",
        "a push consumer without acknowledgements can't have a maxAckPending: set it to -1, remove "
        "it, or choose another ackPolicy",
        "maxAckPending",
    ),
    rule(
        f"{_ACK_POLICY} != 'flowControl' || (has(self.deliverSubject) "
        "&& self.?flowControl.orValue(true) && !has(self.ackWait) && !has(self.backoff) "
        "&& self.?maxDeliver.orValue(-1) == -1 && self.?maxAckPending.orValue(1) > 0 "
        f"&& (!has(self.idleHeartbeat) || {are_equal(nanoseconds('self.idleHeartbeat'), '1e9')}))",
        "ackPolicy: flowControl is for push consumers and needs idleHeartbeat 1s and a finite "
        "maxAckPending: set deliverSubject and remove flowControl: false, ackWait, backoff and "
        "maxDeliver",
        "ackPolicy",
    ),
)
_ON_PULL_AND_PUSH = (
    rule(
        f"!has(self.deliverSubject) || !{is_reserved('self.deliverSubject')}",
        "the server would publish where NATS and its clients talk ($JS., $JSC., $SYS., $NRG., "
        "$SRV., $MQTT., _INBOX., _R_., _GR_.): choose another deliverSubject",
        "deliverSubject",
    ),
    rule(
        "has(self.deliverSubject) || !(has(self.idleHeartbeat) "
        f"|| has(self.rateLimitBps) || {is_on('flowControl')})",
        "flowControl, idleHeartbeat and rateLimitBps are for push consumers: set deliverSubject or "
        "remove them",
        "deliverSubject",
    ),
    rule(
        "!has(self.deliverSubject) || !(has(self.maxWaiting) || has(self.priorityGroups) "
        "|| has(self.priorityPolicy) || has(self.priorityTimeout))",
        "maxWaiting and priority* are for pull consumers: remove them or remove deliverSubject",
        "deliverSubject",
    ),
    rule(
        f"!{is_on('flowControl')} || has(self.idleHeartbeat) || {_ACK_POLICY} == 'flowControl'",
        "flowControl needs idleHeartbeat",
        "flowControl",
    ),
    rule(
        "has(self.priorityGroups) == has(self.priorityPolicy)",
        "priorityGroups and priorityPolicy go together: set both or neither",
        "priorityGroups",
    ),
    rule(
        "!has(self.priorityTimeout) || has(self.priorityPolicy)",
        "priorityTimeout needs a priorityPolicy",
        "priorityTimeout",
    ),
)

CONSUMER_RULES = (*_ON_STREAM, *_ON_DELIVERY, *_ON_ACKS, *_ON_PULL_AND_PUSH)
"""Rules over the spec."""
