"""What the apiserver judges about a CozeStream beyond single fields.

Read in nats-server's checkStreamCfg, 2.10.26 to 2.15.1. Immutable fields other than the identity
are not in here: whether a change can be made depends on what is in JetStream.
"""

from coze_nats.core.api.rules import (
    EFFECTIVE_NAME,
    IDENTITY_RULES,
    RESERVED,
    is_off,
    is_on,
    is_reserved,
    nanoseconds,
    rule,
)


def _same(field: str, otherwise: str) -> str:
    """CEL for whether two sources, s and t, agree on a field that may be left out."""
    steps = field.split(".")
    paths = [".".join(steps[: count + 1]) for count in range(len(steps))]

    def value(source: str) -> str:
        is_set = " && ".join(f"has({source}.{path})" for path in paths)
        return f"({is_set} ? {source}.{field} : '{otherwise}')"

    return f"{value('s')} == {value('t')}"


_SAME_SOURCE = (
    f"s.name == t.name && {_same('filterSubject', '>')} && {_same('external.apiPrefix', '')} "
    f"&& {_same('consumer.name', '')}"
)
_CHOSEN = (
    "(([$][0-9]+|[{][{] *([wW]ildcard|[lL]eft|[rR]ight)[^.]*[}][}])[.]"
    "|[{][{] *[sS](plit|lice)[^.]*[}][}]|>)"
)
"""Destinations whose first token, and more, is what a wildcard stands for."""
_ON_SUBJECTS = (
    rule(
        "!has(self.subjects) || !self.subjects.exists(s, "
        f"s.matches('^({RESERVED}|[*])[.]|^>') "
        "&& !s.matches('^[$](JS[.]EVENT|SYS[.]ACCOUNT)[.]'))",
        "these subjects take NATS's own requests, or other people's answers ($JS., $JSC., $SYS., "
        "$NRG., $SRV., $MQTT., _INBOX., _R_., _GR_., and all that begin with a wildcard): narrow "
        "them; advisories are $JS.EVENT. and $SYS.ACCOUNT.",
        "subjects",
    ),
    rule(
        f"!has(self.republish) || !self.republish.destination.matches('^{_CHOSEN}') "
        "|| (self.republish.destination == '>' && self.republish.?source.orValue('>') == '>') "
        "|| (!has(self.sources) && !has(self.mirror) && !has(self.subjectTransform) "
        "&& (!has(self.subjects) || self.subjects.all(s, !s.contains('*') && !s.endsWith('>'))))",
        "who publishes into this stream chooses what republish.destination begins with, and so can "
        "have the server publish anywhere: begin it with a literal token",
        "republish",
    ),
    rule(
        "!has(self.republish) || !has(self.subjectTransform) "
        "|| self.republish.destination != '>' "
        f"|| !{is_reserved('self.subjectTransform.destination')}",
        "republish carries what subjectTransform.destination makes, and there NATS and its clients "
        "talk: choose another one",
        "subjectTransform",
    ),
    rule(
        "!has(self.republish) || !has(self.subjects) || self.republish.destination == '>' "
        "|| self.subjects.all(s, s != self.republish.destination && !(s.endsWith('.>') "
        "&& self.republish.destination.startsWith(s.substring(0, size(s) - 1))))",
        "republish.destination leads back into this stream's own subjects: choose another subject",
        "republish",
    ),
)
_ON_LIMITS = (
    rule(
        f"!has(self.duplicateWindow) || !has(self.maxAge) || [{nanoseconds('self.maxAge')}]"
        f".all(age, age == 0.0 || {nanoseconds('self.duplicateWindow')} < age + 0.5)",
        "duplicateWindow must not be longer than maxAge: shorten it, or leave it out",
        "duplicateWindow",
    ),
    rule(
        f"!{is_on('discardPerSubject')} || (self.?discard.orValue('old') == 'new' "
        "&& self.?maxMsgsPerSubject.orValue(-1) > 0)",
        "discardPerSubject needs discard: new and a maxMsgsPerSubject",
        "discardPerSubject",
    ),
)
_ON_COPIES = (
    rule(
        "!has(self.mirror) || !(has(self.subjects) || has(self.sources))",
        "a mirror takes all its messages from its origin: remove subjects and sources, or remove "
        "mirror",
        "mirror",
    ),
    rule(
        "!has(self.mirror) || !has(self.firstSequence)",
        "a mirror has its origin's sequences: remove firstSequence",
        "firstSequence",
    ),
    rule(
        "!has(self.mirror) || !has(self.subjectDeleteMarkerTtl)",
        "a mirror can't have delete markers of its own: remove subjectDeleteMarkerTtl",
        "subjectDeleteMarkerTtl",
    ),
    rule(
        f"!has(self.mirror) || !({is_on('allowMsgCounter')} || {is_on('allowAtomicPublish')} "
        f"|| {is_on('allowBatched')} || {is_on('allowMsgSchedules')})",
        "nobody publishes to a mirror: remove allowMsgCounter, allowAtomicPublish, allowBatched "
        "and allowMsgSchedules",
        "mirror",
    ),
    rule(
        f"has(self.mirror) || !{is_on('mirrorDirect')}",
        "mirrorDirect is for mirrors: set mirror, or remove mirrorDirect",
        "mirrorDirect",
    ),
    rule(
        f"!(has(self.sources) && {is_on('allowMsgSchedules')})",
        "a stream with sources can't have message schedules: remove sources or allowMsgSchedules",
        "allowMsgSchedules",
    ),
    rule(
        "!has(self.sources) || self.sources.all(s, has(s.subjectTransforms) "
        f"|| self.sources.exists_one(t, !has(t.subjectTransforms) && {_SAME_SOURCE}))",
        "two sources are the same stream with the same filterSubject: remove one, or give each "
        "another filterSubject",
        "sources",
    ),
)
_ON_PUBLISHING = (
    rule(
        f"!({is_on('denyPurge')} && {is_on('allowRollup')})",
        "a roll-up purges: remove denyPurge or allowRollup",
        "denyPurge",
    ),
    rule(
        f"!(has(self.subjectDeleteMarkerTtl) && {is_off('allowMsgTtl')})",
        "subjectDeleteMarkerTtl turns on allowMsgTtl: remove allowMsgTtl: false",
        "allowMsgTtl",
    ),
    rule(
        f"!((has(self.subjectDeleteMarkerTtl) || {is_on('allowMsgSchedules')}) "
        f"&& ({is_off('allowRollup')} || {is_on('denyPurge')}))",
        "subjectDeleteMarkerTtl and allowMsgSchedules turn on allowRollup: remove "
        "allowRollup: false and denyPurge",
    ),
    # Servers before 2.14 let these two pass; a stream that has them would not survive an upgrade.
    rule(
        f"!({is_on('allowMsgSchedules')} && self.?discard.orValue('old') == 'new')",
        "message schedules need discard: old",
        "allowMsgSchedules",
    ),
    rule(
        f"!{is_on('allowMsgCounter')} || !(self.?discard.orValue('old') == 'new' "
        f"|| {is_on('allowMsgTtl')} || has(self.subjectDeleteMarkerTtl) "
        f"|| {is_on('allowMsgSchedules')} || self.?retention.orValue('limits') != 'limits')",
        "a counter stream needs retention: limits and discard: old, and can't have message TTLs, "
        "delete markers or schedules",
        "allowMsgCounter",
    ),
    rule(
        "self.?persistMode.orValue('default') != 'async' "
        "|| !(self.?storage.orValue('file') == 'memory' || self.?replicas.orValue(1) > 1 "
        f"|| {is_on('allowAtomicPublish')})",
        "persistMode: async needs file storage, one replica and no allowAtomicPublish",
        "persistMode",
    ),
)
_ON_SEALED = (
    rule(
        f"!{is_on('sealed')} || !(has(self.maxAge) || self.?discard.orValue('new') == 'old' "
        f"|| {is_off('denyDelete')} || {is_off('denyPurge')} || {is_on('allowRollup')} "
        f"|| has(self.subjectDeleteMarkerTtl) || {is_on('allowMsgSchedules')} "
        f"|| {is_on('allowMsgCounter')})",
        "a sealed stream keeps its messages for ever: remove maxAge, discard: old, denyDelete: "
        "false, denyPurge: false, allowRollup, subjectDeleteMarkerTtl, allowMsgSchedules and "
        "allowMsgCounter",
        "sealed",
    ),
)

STREAM_RULES = (*_ON_SUBJECTS, *_ON_LIMITS, *_ON_COPIES, *_ON_PUBLISHING, *_ON_SEALED)
"""Rules over the spec."""

STREAM_RESOURCE_RULES = (
    *IDENTITY_RULES,
    # Here and not at spec, where removing the whole spec would get round it.
    rule(
        "!oldSelf.?spec.sealed.orValue(false) || self.?spec.sealed.orValue(false)",
        "NATS can't unseal a stream: keep sealed: true",
        "spec.sealed",
    ),
    rule(
        f"!has(self.spec) || !has(self.spec.subjects) || [{EFFECTIVE_NAME.format('self')}]"
        ".all(name, self.spec.subjects.all(s, !s.matches('^[$](KV|O)[.]') || ("
        "size(s.split('.')) > 2 && s.split('.')[1] == "
        "(s.startsWith('$KV.') ? (name.startsWith('KV_') ? name.substring(3) : '') "
        ": (name.startsWith('OBJ_') ? name.substring(4) : '')))))",
        "$KV. and $O. are for buckets, and a bucket's stream takes its own alone: KV_orders takes "
        "$KV.orders.>, and OBJ_orders $O.orders.C.> and $O.orders.M.>",
        "spec.subjects",
    ),
    rule(
        "!has(self.spec) || !has(self.spec.mirror) || has(self.spec.mirror.external) "
        f"|| self.spec.mirror.name != {EFFECTIVE_NAME.format('self')}",
        "a stream can't mirror itself: mirror.name is the origin's name",
        "spec.mirror",
    ),
    rule(
        "!has(self.spec) || !has(self.spec.sources) || self.spec.sources.all(s, has(s.external) "
        "|| has(s.filterSubject) || has(s.subjectTransforms) "
        f"|| s.name != {EFFECTIVE_NAME.format('self')})",
        "a stream can't be a source of itself: remove it from sources",
        "spec.sources",
    ),
)
"""Rules over the whole resource, where metadata.name can be judged too."""
