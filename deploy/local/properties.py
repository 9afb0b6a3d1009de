"""The configuration of a one-node Apache Kafka: broker and controller in one process, on loopback only."""

import base64
import random
import socket
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from streams.errors import DependencyError

__all__ = ["cluster_id", "free_ports", "server_properties"]

# Below the kernel's range for outgoing connections: a client that keeps reconnecting to a stopped broker cannot be
# given the broker's own port by chance, which would keep the broker from coming back.
_PORTS: Final = range(20_000, 32_000)
_FIVE_MIB: Final = 5 * 1024 * 1024
_NO_LIMIT: Final = 2**63 - 1

_FIXED: Final[Mapping[str, object]] = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    # Topics are declared (streams.topics_admin): a misspelt name must fail, not appear.
    "auto.create.topics.enable": "false",
    "num.partitions": 4,
    "log.cleaner.enable": "true",
    # One node, and group joins that do not wait for members that are not there.
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 4,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 4,
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 2_000,
    "transaction.max.timeout.ms": 900_000,
    # A killed broker may not register again before the session of its former life has ended (default 9 s).
    "broker.session.timeout.ms": 3_000,
    "broker.heartbeat.interval.ms": 500,
    # Dead letters and changelog records carry whole payloads.
    "message.max.bytes": _FIVE_MIB,
    "replica.fetch.max.bytes": _FIVE_MIB,
    # Simulations and tests write records of other days.
    "log.message.timestamp.after.max.ms": _NO_LIMIT,
    "log.message.timestamp.before.max.ms": _NO_LIMIT,
}


def server_properties(data: Path, *, broker_port: int, controller_port: int) -> str:
    """Text of ``server.properties``: logs under ``data``, listeners on the two loopback ports."""
    listeners = f"PLAINTEXT://127.0.0.1:{broker_port},CONTROLLER://127.0.0.1:{controller_port}"
    properties: dict[str, object] = {
        **_FIXED,
        "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller_port}",
        "listeners": listeners,
        "advertised.listeners": listeners,
        "log.dirs": data,
    }
    return "".join(f"{name}={value}\n" for name, value in properties.items())


def cluster_id() -> str:
    """A fresh cluster id in Kafka's form: 16 random bytes, URL-safe base64 without padding.

    Never one that begins with a dash: Kafka's own tools would take it for an option.
    """
    while True:
        drawn = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        if not drawn.startswith("-"):
            return drawn


def free_ports(count: int) -> list[int]:
    """Distinct loopback ports nobody listens on.

    Raises:
        DependencyError: too few are free.
    """
    free: list[int] = []
    for port in random.SystemRandom().sample(_PORTS, len(_PORTS)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        free.append(port)
        if len(free) == count:
            return free
    raise DependencyError(f"no {count} free ports between {_PORTS.start} and {_PORTS.stop} for a local Kafka")
