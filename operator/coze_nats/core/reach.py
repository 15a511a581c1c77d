"""What a declared object makes a server publish and capture, as subjects with wildcards.

Servers do both with rights of their own, whoever declared it. Read in nats-server's
subject_transform.go and stream.go, 2.10 to 2.15. Whether it is right is not judged here.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from coze_nats.core.live import Config
from coze_nats.core.subjects import A_NUMBER, covers, meet


class Reach(NamedTuple):
    """One subject that an object can reach.

    Attributes:
        field: of the spec, for people; sources count from 0.
        value: as it stands there.
        subject: all that it can reach; wildcards stand for what others choose.
    """

    field: str
    value: str
    subject: str


_FUNCTION = re.compile(r"^[{][{]\s*([a-zA-Z]+)\s*[(]\s*(-?[0-9]*).*[}][}]$")
_NUMBERED = re.compile(r"^[$]([0-9]+)$")
_NUMBERS = frozenset({"partition", "random"})
_ONE_TOKEN = frozenset({"wildcard", "left", "right"})


def published(config: Config) -> Iterator[Reach]:
    """What a stream or a consumer with this config (wire) makes servers publish on."""
    yield from _republished(config)
    for field, source in _copies(config):
        yield from _asked_of_origin(field, source)
    deliver = config.get("deliver_subject")
    if deliver:
        yield Reach("deliverSubject", deliver, deliver)


def captured(config: Config) -> Iterator[Reach]:
    """What a stream with this config (wire) takes of what others publish."""
    for subject in config.get("subjects") or ():
        yield Reach("subjects", subject, subject)
    for field, source in _copies(config):
        heard = (source.get("consumer") or {}).get("deliver_subject")
        if heard:
            yield Reach(f"{field}.consumer.deliverSubject", heard, heard)


def copied(config: Config, domain: str = "") -> Iterator[Reach]:
    """The streams of this very account that a stream with this config copies; subject is a name.

    Args:
        domain: the JetStream domain of the servers, which is another way to say: here.
    """
    here = (None, "", f"$JS.{domain}.API", "$JS.API")
    for field, source in _copies(config):
        if (source.get("external") or {}).get("api") in here:
            yield Reach(f"{field}.name", source["name"], source["name"])


def _copies(config: Config) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if config.get("mirror"):
        yield "mirror", config["mirror"]
    for number, source in enumerate(config.get("sources") or ()):
        yield f"sources[{number}]", source


def _asked_of_origin(field: str, source: Mapping[str, Any]) -> Iterator[Reach]:
    """A copy from elsewhere is asked for on one prefix, and has it delivered on another."""
    external = source.get("external") or {}
    if api := external.get("api"):
        yield Reach(f"{field}.external.apiPrefix", api, f"{api}.CONSUMER.>")
    if deliver := external.get("deliver"):
        yield Reach(f"{field}.external.deliverPrefix", deliver, f"{deliver}.>")


def _republished(config: Config) -> Iterator[Reach]:
    republish = config.get("republish")
    if not republish:
        return
    source, destination = republish.get("src") or ">", str(republish.get("dest", ""))
    for stored in stored_subjects(config):
        if (shared := meet(stored, source)) is not None:
            subject = transformed(shared, source, destination)
            yield Reach("republish.destination", destination, subject)


def stored_subjects(config: Config) -> tuple[str, ...]:
    """The subjects that a stream can hold: its own, and its origins' under their new names."""
    copies = [source for _, source in _copies(config)]
    taken = list(config.get("subjects") or ([] if copies else [config.get("name", ">")]))
    for source in copies:
        taken.extend(_copied(source))
    return tuple(dict.fromkeys(_rewritten(taken, config.get("subject_transform"))))


def _copied(source: Mapping[str, Any]) -> Iterator[str]:
    transforms = source.get("subject_transforms") or ()
    for each in transforms:
        subject = each.get("src") or ">"
        yield transformed(subject, subject, each.get("dest") or subject)
    if not transforms:
        yield source.get("filter_subject") or ">"


def _rewritten(subjects: Iterable[str], transform: Mapping[str, Any] | None) -> Iterator[str]:
    source, destination = (transform or {}).get("src") or ">", (transform or {}).get("dest")
    for subject in subjects:
        shared = meet(subject, source) if destination else None
        if destination and shared is not None:
            yield transformed(shared, source, destination)
        if shared is None or not covers(source, subject):
            yield subject


def transformed(subject: str, source: str, destination: str) -> str:
    """What a subject transform can make of the subjects that `subject`, within `source`, matches.

    It is exact but for functions that make several tokens of one: all that can follow, follows.
    """
    tokens, pattern = subject.split("."), source.split(".")
    if source == destination == ">":
        return subject
    places = [place for place, part in enumerate(pattern) if part == "*"]
    found: list[str] = []
    for part in destination.split("."):
        if part == ">":
            found += tokens[len(pattern) - 1 :]
            break
        made = _made(part, tokens, places)
        found.append(made)
        if made == ">":
            break
    return ".".join(found)


def _made(part: str, tokens: list[str], places: list[int]) -> str:
    """What a token of a destination becomes."""
    if numbered := _NUMBERED.match(part):
        return _token_of(int(numbered[1]), tokens, places)
    function = _FUNCTION.match(part)
    if not function:
        return part
    name = function[1].lower()
    if name in _NUMBERS:
        return A_NUMBER
    if name == "wildcard":
        return _token_of(int(function[2] or 0), tokens, places)
    return "*" if name in _ONE_TOKEN else ">"


def _token_of(number: int, tokens: list[str], places: list[int]) -> str:
    # Servers take a wildcard of number 0 or less for the first token.
    place = places[number - 1] if 0 < number <= len(places) else 0
    return tokens[place]
