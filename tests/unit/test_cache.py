"""The cache: what overtakes what, and which consumers belong to a stream."""

import json
from typing import Any

from coze_nats.controller.cache import Cache
from coze_nats.core import names
from coze_nats.core.resource import Key, Resource


def make(kind: str, resource: str, /, version: str = "", uid: str = "u", **spec: Any) -> Resource:
    return Resource.from_body(
        {
            "kind": kind,
            "metadata": {
                "namespace": "coze",
                "name": resource,
                "uid": uid,
                "resourceVersion": version,
            },
            "spec": spec,
        }
    )


def stream(resource: str, version: str = "", /, **spec: Any) -> Resource:
    return make(names.STREAM_KIND, resource, version, **spec)


def consumer(name: str, of: str, version: str = "") -> Resource:
    return make(names.CONSUMER_KIND, name, version, streamRef={"name": of})


def consumers_of(cache: Cache, name: str, namespace: str = "coze") -> set[str]:
    return {key.name for key in cache.consumers_of(namespace, name)}


def test_what_was_put_is_found_until_it_is_removed() -> None:
    cache = Cache()
    orders = stream("orders", maxMsgs=5)
    assert cache.put(orders)
    assert cache.get(orders.key) == orders
    assert list(cache) == [orders]
    assert len(cache) == 1
    cache.remove(orders.key)
    cache.remove(orders.key)
    assert cache.get(orders.key) is None
    assert len(cache) == 0


def test_an_older_state_does_not_replace_a_newer_one() -> None:
    cache = Cache()
    assert cache.put(stream("orders", "10", maxMsgs=2))
    assert not cache.put(stream("orders", "9", maxMsgs=1))
    assert cache.put(stream("orders", "10", maxMsgs=3))
    assert cache.put(stream("orders", "100", maxMsgs=4))
    [found] = cache
    assert found.spec == {"maxMsgs": 4}


def test_consumers_are_found_by_their_stream_whether_it_exists_or_not() -> None:
    cache = Cache()
    cache.put(consumer("a", of="orders"))
    cache.put(consumer("b", of="orders"))
    cache.put(consumer("c", of="invoices"))
    assert consumers_of(cache, "orders") == {"a", "b"}
    assert consumers_of(cache, "orders", namespace="other") == set()
    assert consumers_of(cache, "unknown") == set()


def test_consumers_follow_their_reference_and_end() -> None:
    cache = Cache()
    cache.put(consumer("a", of="orders"))
    cache.put(consumer("a", of="invoices"))
    assert consumers_of(cache, "orders") == set()
    assert consumers_of(cache, "invoices") == {"a"}
    cache.remove(Key(names.CONSUMER_KIND, "coze", "a"))
    assert consumers_of(cache, "invoices") == set()


def test_consumers_that_name_a_stream_directly_belong_to_no_resource() -> None:
    cache = Cache()
    cache.put(make(names.CONSUMER_KIND, "a", streamName="orders"))
    cache.put(stream("b", streamRef={"name": "orders"}))
    assert consumers_of(cache, "orders") == set()


def test_field_names_are_shared_between_resources() -> None:
    cache = Cache()
    for name in ("a", "b"):
        parsed_anew = json.loads('{"sources": [{"filterSubject": "x"}]}')
        cache.put(make(names.STREAM_KIND, name, **parsed_anew))
    first, second = (resource.spec for resource in cache)
    assert next(iter(first)) is next(iter(second))
    assert next(iter(first["sources"][0])) is next(iter(second["sources"][0]))


def test_the_cache_may_change_while_it_is_iterated() -> None:
    cache = Cache()
    for name in ("a", "b", "c"):
        cache.put(stream(name))
    for resource in cache:
        cache.remove(resource.key)
    assert len(cache) == 0


HUB = Key(names.CONNECTION_KIND, "coze", "hub")
AT_HUB = {"name": "hub"}


def users_of(cache: Cache, connection: Key | None) -> list[str]:
    return sorted(resource.key.name for resource in cache.users_of(connection))


def test_a_stream_and_its_consumers_are_users_of_its_connection_in_any_order() -> None:
    cache = Cache()
    cache.put(consumer("early", of="orders"))
    assert users_of(cache, None) == ["early"]
    cache.put(stream("orders", connection=AT_HUB))
    cache.put(consumer("late", of="orders"))
    cache.put(stream("own"))
    cache.put(make(names.CONNECTION_KIND, "hub"))
    assert users_of(cache, HUB) == ["early", "late", "orders"]
    assert users_of(cache, None) == ["own"]


def test_users_go_with_their_stream() -> None:
    cache = Cache()
    orders = stream("orders", "1", connection=AT_HUB)
    cache.put(orders)
    cache.put(consumer("reader", of="orders"))
    cache.remove(orders.key)
    assert users_of(cache, HUB) == []
    assert users_of(cache, None) == ["reader"]
    cache.put(stream("orders", "2"))
    assert users_of(cache, None) == ["orders", "reader"]


def test_a_consumer_whose_stream_is_gone_stays_where_it_was() -> None:
    cache = Cache()
    left = consumer("reader", of="orders").with_status(
        {"connection": {"namespace": "coze", "name": "hub"}}
    )
    cache.put(left)
    assert users_of(cache, HUB) == ["reader"]


def test_those_that_stand_for_the_same_object_are_namesakes() -> None:
    cache = Cache()
    orders = stream("orders")
    for resource in (
        orders,
        stream("also", name="orders"),
        stream("elsewhere", name="orders", connection=AT_HUB),
        stream("other"),
        consumer("reader", of="orders"),
        make(names.CONSUMER_KIND, "too", streamName="orders", name="reader"),
        consumer("another", of="orders"),
    ):
        cache.put(resource)
    assert {each.key.name for each in cache.namesakes_of(orders)} == {"orders", "also"}
    reader = consumer("reader", of="orders")
    assert {each.key.name for each in cache.namesakes_of(reader)} == {"reader", "too"}
    on_orders = {each.key.name for each in cache.on_stream(None, "orders")}
    assert on_orders == {"orders", "also", "reader", "too", "another"}
    assert cache.namesakes_of(make(names.CONSUMER_KIND, "lost")) == []


def test_a_cache_of_nothing_holds_nothing() -> None:
    cache = Cache()
    resources = [
        stream("orders", connection=AT_HUB),
        consumer("reader", of="orders"),
        make(names.CONSUMER_KIND, "direct", streamName="foreign"),
        make(names.CONNECTION_KIND, "hub"),
    ]
    for resource in (*resources, *resources):
        cache.put(resource)
    for resource in resources:
        cache.remove(resource.key)
    assert not any(vars(cache).values())


def test_a_consumer_stands_for_what_it_has_also_without_its_stream() -> None:
    reader = consumer("reader", of="orders")
    other = make(names.CONSUMER_KIND, "other", streamName="ORDERS", name="reader")
    cache = Cache()
    cache.put(reader.with_status({"stream": "ORDERS", "consumer": "reader"}))
    cache.put(other)
    found = cache.namesakes_of(other)
    assert [each.key.name for each in found] == ["reader", "other"]
    cache.put(reader)
    assert cache.namesakes_of(other) == [other]
