"""How a nats-server completes and judges configurations, for the fake: no state is in here.

Written from the server's sources (checkStreamCfg, configUpdateCheck, setConsumerConfigDefaults,
checkConsumerCfg, checkNewConsumerConfig) and independent of the operator's own tables.
"""

from typing import Any

from coze_nats.core.errors import from_api_error
from fakes.store import overlap

Json = dict[str, Any]

LEVELS = {"2.10": 0, "2.11": 1, "2.12": 3, "2.14": 4, "2.15": 5}
_STRICT = 2
"""From this API level on, unknown keys are refused instead of dropped."""

_STREAM_KEYS: dict[int, str] = {
    0: "name description subjects retention max_consumers max_msgs max_bytes max_age "
    "max_msgs_per_subject max_msg_size discard storage num_replicas no_ack duplicate_window "
    "placement mirror sources compression first_seq subject_transform republish allow_direct "
    "mirror_direct discard_new_per_subject sealed deny_delete deny_purge allow_rollup_hdrs "
    "consumer_limits metadata",
    1: "allow_msg_ttl subject_delete_marker_ttl",
    2: "allow_msg_counter allow_atomic allow_msg_schedules persist_mode",
    4: "allow_batched",
}
_CONSUMER_KEYS: dict[int, str] = {
    0: "durable_name name description deliver_policy opt_start_seq opt_start_time ack_policy "
    "ack_wait max_deliver backoff filter_subject filter_subjects replay_policy rate_limit_bps "
    "sample_freq max_waiting max_ack_pending flow_control headers_only max_batch max_expires "
    "max_bytes deliver_subject deliver_group idle_heartbeat inactive_threshold num_replicas "
    "mem_storage metadata",
    1: "pause_until priority_groups priority_policy priority_timeout",
}
_STREAM_ALWAYS: Json = {
    "retention": "limits",
    "max_consumers": -1,
    "max_msgs": -1,
    "max_bytes": -1,
    "max_age": 0,
    "max_msgs_per_subject": -1,
    "max_msg_size": -1,
    "discard": "old",
    "storage": "file",
    "num_replicas": 1,
    "compression": "none",
    "consumer_limits": {},
} | dict.fromkeys(
    ("allow_direct", "mirror_direct", "sealed", "deny_delete", "deny_purge", "allow_rollup_hdrs"),
    False,
)
_CONSUMER_ALWAYS: Json = {
    "deliver_policy": "all",
    "ack_policy": "none",
    "replay_policy": "instant",
    "num_replicas": 0,
}
_SECOND = 1_000_000_000


def _known(config: Json, keys: dict[int, str], level: int, more: frozenset[str]) -> Json:
    names = {name for since, text in keys.items() if since <= level for name in text.split()} | more
    unknown = sorted(config.keys() - names)
    if unknown and level >= _STRICT:
        raise from_api_error(10025, f'invalid JSON: json: unknown field "{unknown[0]}"')
    return {key: value for key, value in config.items() if key in names}


def _compact(config: Json, always: Json) -> Json:
    """Leave out what Go's omitempty leaves out."""
    return {k: v for k, v in config.items() if k in always or v not in (None, "", 0, [], {})}


def _with_server_metadata(config: Json, version: str, level: int, required: int) -> Json:
    if level == 0:
        return config
    of_server = {
        "_nats.req.level": str(required),
        "_nats.ver": version,
        "_nats.level": str(level),
    }
    return {**config, "metadata": {**config.get("metadata", {}), **of_server}}


def complete_stream(
    given: Json, version: str, level: int, more: frozenset[str] = frozenset()
) -> Json:
    """A stream's configuration as the server would keep it."""
    always = _STREAM_ALWAYS | ({"allow_msg_ttl": False} if level >= 1 else {})
    config = always | _known(given, _STREAM_KEYS, level, more)
    for limit in ("max_consumers", "max_msgs", "max_bytes", "max_msgs_per_subject", "max_msg_size"):
        config[limit] = config[limit] or -1
    copies = config.get("mirror") or config.get("sources")
    if not config.get("subjects") and not copies:
        config["subjects"] = [config["name"]]
    if not config.get("duplicate_window") and not (copies if level >= 4 else config.get("mirror")):
        config["duplicate_window"] = min(config["max_age"] or 120 * _SECOND, 120 * _SECOND)
    if config.get("subject_delete_marker_ttl"):
        config |= {"allow_msg_ttl": True, "allow_rollup_hdrs": True}
    if config.get("allow_msg_schedules"):
        config["allow_rollup_hdrs"] = True
    if config.get("persist_mode") == "default":
        del config["persist_mode"]
    _complete_objects(config)
    _complete_republish(config, level)
    _judge_stream(config)
    config = _compact(config, always)
    return _with_server_metadata(config, version, level, _stream_requires(config))


def _complete_objects(config: Json) -> None:
    for source in (config.get("mirror"), *config.get("sources", ())):
        if source and "external" in source:
            source["external"].setdefault("deliver", "")


def _complete_republish(config: Json, level: int) -> None:
    if not config.get("republish"):
        return
    found = config["republish"] = _compact({"src": ">", **config["republish"]}, {})
    transform = config.get("subject_transform") or {}
    is_all = (found["src"], found["dest"]) == (">", ">")
    if is_all and level >= 1 and config.get("subjects") == [transform.get("src")]:
        found |= {"src": transform["dest"], "dest": transform["dest"]}
    tokens = found["dest"].split(".")
    if any(overlap(tokens, subject.split(".")) for subject in config.get("subjects", ())):
        raise from_api_error(10052, "stream configuration for republish destination forms a cycle")


def _stream_requires(config: Json) -> int:
    if config.get("allow_batched"):
        return 4
    if any(config.get(f"allow_{name}") for name in ("msg_counter", "atomic", "msg_schedules")):
        return 2
    if config.get("persist_mode"):
        return 2
    return 1 if config.get("allow_msg_ttl") else 0


def _judge_stream(config: Json) -> None:
    if config["num_replicas"] > 1:
        raise from_api_error(10074, "replicas > 1 not supported in non-clustered mode")
    if 0 < config["max_age"] < config.get("duplicate_window", 0):
        raise from_api_error(10052, "duplicates window can not be larger then max age")


def judge_new_stream(config: Json) -> None:
    """Refuse what the server refuses at creation only."""
    if config["sealed"]:
        raise from_api_error(10052, "stream configuration for create can not be sealed")


def judge_stream_update(old: Json, new: Json, level: int) -> Json:
    """The new configuration as the server would take it over, or its refusal."""
    refusals = {
        "storage type": old["storage"] != new["storage"],
        "retention policy to/from workqueue": old["retention"] != new["retention"]
        and "workqueue" in (old["retention"], new["retention"]),
        "MaxConsumers": level < 2 and old["max_consumers"] != new["max_consumers"],
        "message counter setting": old.get("allow_msg_counter") != new.get("allow_msg_counter"),
        "persist mode": old.get("persist_mode") != new.get("persist_mode"),
    }
    for what, is_refused in refusals.items():
        if is_refused:
            raise from_api_error(10052, f"stream configuration update can not change {what}")
    for key in ("sealed", "deny_delete", "deny_purge", "allow_msg_ttl", "allow_msg_schedules"):
        if old.get(key) and not new.get(key):
            raise from_api_error(10052, f"stream configuration update can not cancel {key}")
    if old.get("mirror") != new.get("mirror") and (level < 2 or new.get("mirror")):
        raise from_api_error(10055, "stream mirror configuration can not be updated")
    if not new["sealed"]:
        return new
    locked = dict.fromkeys(("deny_delete", "deny_purge"), True)
    return {**new, **locked, "max_age": 0, "discard": "new", "allow_rollup_hdrs": False}


def complete_consumer(
    given: Json, stream: Json, version: str, level: int, more: frozenset[str] = frozenset()
) -> Json:
    """A consumer's configuration as the server would keep it."""
    config = _CONSUMER_ALWAYS | _known(given, _CONSUMER_KEYS, level, more)
    if config["ack_policy"] == "flow_control" and level < 4:
        raise from_api_error(10025, "invalid JSON")
    limits = stream["consumer_limits"]
    defaults = {
        "name": config.get("durable_name"),
        "max_deliver": -1,
        "max_waiting": 0 if config.get("deliver_subject") else 512,
        "ack_wait": 30 * _SECOND if config["ack_policy"] in ("explicit", "all") else 0,
        "max_ack_pending": limits.get("max_ack_pending")
        or (0 if config["ack_policy"] == "none" else 1000),
        "inactive_threshold": limits.get("inactive_threshold", 0),
        "priority_timeout": 120 * _SECOND
        if config.get("priority_policy") == "pinned_client"
        else 0,
    }
    config |= {key: config.get(key) or value for key, value in defaults.items()}
    if config.get("backoff"):
        config["ack_wait"] = config["backoff"][0]
    if config["ack_policy"] == "flow_control":
        config |= {"flow_control": True, "idle_heartbeat": _SECOND}
    _judge_consumer(config, stream)
    config = _compact(config, _CONSUMER_ALWAYS)
    return _with_server_metadata(config, version, level, _consumer_requires(config))


def _consumer_requires(config: Json) -> int:
    if config["ack_policy"] == "flow_control":
        return 4
    return 1 if config.get("pause_until") or config.get("priority_policy") else 0


def _judge_consumer(config: Json, stream: Json) -> None:
    if config["num_replicas"] > stream["num_replicas"]:
        raise from_api_error(10126, "consumer config replica count exceeds parent stream")
    if 0 < config["max_deliver"] < len(config.get("backoff", ())):
        raise from_api_error(10116, "max deliver is required to be > length of backoff values")
    limits = stream["consumer_limits"]
    if config["max_ack_pending"] > limits.get("max_ack_pending", 2**63):
        raise from_api_error(10121, "consumer max ack pending exceeds system limit")
    if config["inactive_threshold"] > limits.get("inactive_threshold", 2**63):
        raise from_api_error(10153, "consumer inactive threshold exceeds system limit")


def judge_new_consumer(config: Json, stream: Json) -> None:
    """Refuse what the server refuses at creation only."""
    if stream["retention"] != "workqueue":
        return
    if config["ack_policy"] != "explicit":
        raise from_api_error(10084, "workqueue stream requires explicit ack")
    if config["deliver_policy"] != "all":
        raise from_api_error(10101, "consumer must be deliver all on workqueue stream")


_FIXED = {
    "deliver_policy": "deliver policy",
    "opt_start_seq": "start sequence",
    "opt_start_time": "start time",
    "ack_policy": "ack policy",
    "replay_policy": "replay policy",
    "idle_heartbeat": "heart beats",
    "flow_control": "flow control",
    "max_waiting": "max waiting",
}


def judge_consumer_update(old: Json, new: Json, level: int) -> None:
    """Raise the server's refusal, if it refuses."""
    for key, words in _FIXED.items():
        if old.get(key) != new.get(key):
            raise from_api_error(10012, f"{words} can not be updated")
    if level >= 4 and old.get("mem_storage") != new.get("mem_storage"):
        raise from_api_error(10012, "storage type can not be updated")
    if bool(old.get("deliver_subject")) != bool(new.get("deliver_subject")):
        raise from_api_error(10012, "can not update pull consumer to push based or back")
