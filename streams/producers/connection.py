"""What both producers share about reaching the cluster."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final, TypeVar

from streams.producers.errors import BrokerUnavailable

__all__ = ["BULK", "check_client_options", "chunks", "no_topic", "server_list", "unreachable"]

#: Events validated at once: enough that the decoder's fixed cost vanishes, few enough to fail early.
BULK: Final = 1_000

#: Options that carry the guarantees: no event twice, none out of order, none placed by anything but its team.
_RESERVED: Final = frozenset({
    "acks", "allow_auto_create_topics", "bootstrap_servers", "enable_idempotence", "key_serializer",
    "max_in_flight_requests_per_connection", "partitioner", "retries", "transactional_id", "value_serializer",
})  # fmt: skip

_Item = TypeVar("_Item")


def server_list(brokers: str) -> list[str]:
    """``host:port,host:port`` as a list."""
    servers = [server.strip() for server in brokers.split(",") if server.strip()]
    if not servers:
        raise ValueError("brokers is empty: give host:port, several separated by commas")
    return servers


def check_client_options(options: Mapping[str, Any]) -> None:
    """Raise ValueError when an option would take a guarantee away."""
    if reserved := _RESERVED & options.keys():
        raise ValueError(f"{min(reserved)} is set by the producer itself; leave it out of client_options")


def chunks(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """The items in lists of at most ``size``."""
    source = iter(items)
    while chunk := list(islice(source, size)):
        yield chunk


def unreachable(servers: list[str], error: Exception) -> BrokerUnavailable:
    """No broker answered."""
    return BrokerUnavailable(f"no Kafka broker answers at {', '.join(servers)}: {error}")


def no_topic(topic: str, servers: list[str], error: Exception) -> BrokerUnavailable:
    """A broker answered, and does not show the topic."""
    return BrokerUnavailable(
        f"topic {topic} is not to be had at {', '.join(servers)} ({error}): create it, or let this client describe it"
    )
