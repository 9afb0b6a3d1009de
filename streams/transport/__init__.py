"""The chunked Kafka transport of Faust, ``chunked://host:port``.

The only package that subclasses Faust's and aiokafka's internals.
"""

from typing import ClassVar, Final

from aiokafka import conn as connection
from faust.serializers import codecs
from faust.transport.drivers import TRANSPORTS
from faust.transport.drivers import aiokafka as driver

from streams.transport.consumer import ChunkConsumer
from streams.transport.records import FetchedChunk
from streams.transport.tables import ShardTableManager

__all__ = ["RAW", "SCHEME", "ChunkConsumer", "FetchedChunk", "ShardTableManager", "Transport", "register"]

SCHEME = "chunked"
#: Bytes that may wait in a connection's reader before its socket is paused: as many as one fetch may bring.
_READER_LIMIT: Final = 8 << 20
#: Name of the codec that leaves a chunk as it is.
RAW = "assay-raw"


class Transport(driver.Transport):
    """Faust's aiokafka transport with our consumer."""

    Consumer: ClassVar[type[ChunkConsumer]] = ChunkConsumer


class _Raw(codecs.Codec):
    def _loads(self, s: bytes) -> bytes:
        return s

    def _dumps(self, s: bytes) -> bytes:
        return s


def register() -> None:
    """Make the transport and its codec known to Faust; may be called again."""
    TRANSPORTS.aliases[SCHEME] = "streams.transport:Transport"
    # A fetch answers with megabytes. At aiokafka's 64 KiB the socket is paused and resumed for each 128 of them.
    connection.READER_LIMIT = _READER_LIMIT
    codecs.register(RAW, _Raw())
