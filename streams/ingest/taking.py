"""A body's bytes become records: inflated, decoded by its source, attributed, sealed and judged. Needs no event loop."""

from collections import Counter
from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any, Final, NamedTuple

from streams.core import topics
from streams.core.pseudonyms import Pseudonyms
from streams.core.reasons import Reason
from streams.ingest.inflating import BadEncoding, TooMuch, inflated
from streams.ingest.publishing import Outgoing
from streams.ingest.refusing import HttpRefusal
from streams.sources.booking import Attribution, Binding, Booker
from streams.sources.catalogue import Route, Source
from streams.sources.contract import BadBody, Context, Form, Refused, Skip
from streams.sources.fingerprints import Fingerprints
from streams.sources.linking import DEFAULT, Linking

__all__ = ["Taken", "Taker"]


class Taken(NamedTuple):
    """What a body came to; each of its records is an accepted place, a refusal, or counted as skipped.

    ``reply`` is the answer where that is the source's own.
    """

    records: list[Outgoing]
    places: list[str]
    forms: Counter[Form]
    refused: list[Refused]
    skipped: Counter[Skip]
    attributed: Counter[Attribution]
    links: Mapping[str, int]
    reply: tuple[int, Mapping[str, Any]] | None


class Taker:
    """Takes bodies of any source, one at a time: each thread needs its own."""

    def __init__(
        self, pseudonym_key: bytes, *, topic_prefix: str, max_inflated_bytes: int, fingerprints: bool = True,
        linking: Linking = DEFAULT,
    ) -> None:  # fmt: skip
        self._booker = Booker(Pseudonyms(pseudonym_key))
        self._fingerprint: Callable[[str], str] | None = Fingerprints(pseudonym_key) if fingerprints else None
        self._linking: Final = linking
        self._max_bytes: Final = max_inflated_bytes
        self._usage: Final = topic_prefix + topics.USAGE
        self._outcomes: Final = topic_prefix + topics.OUTCOMES

    def take(
        self, source: Source, route: Route, body: bytes, encoding: str, context: Context, binding: Binding
    ) -> Taken:  # fmt: skip
        """Raises HttpRefusal for the body as a whole."""
        content = self.inflate(body, encoding)
        try:
            decoded = source.decode(content, context._replace(fingerprint=self._fingerprint, linking=self._linking))
        except BadBody as error:
            raise HttpRefusal(_status_of(error.reason), error.reason, error.detail) from error
        booked = self._booker.book(decoded.items, binding)
        records = [Outgoing(self._usage, record.key, record.value) for record in booked.usage]
        records += [Outgoing(self._outcomes, record.key, record.value) for record in booked.outcomes]
        refused = [*decoded.refused, *booked.refused]
        return Taken(
            records,
            [record.place for record in chain(booked.usage, booked.outcomes)],
            Counter({Form.USAGE: len(booked.usage), Form.OUTCOME: len(booked.outcomes)}),
            refused,
            decoded.skipped,
            booked.attributed,
            decoded.links,
            route.reply(content, refused) if route.reply else None,
        )

    def inflate(self, body: bytes, encoding: str) -> bytes:
        """The body before compression. Raises HttpRefusal (400 or 413)."""
        try:
            return inflated(body, encoding, self._max_bytes)
        except BadEncoding as error:
            raise HttpRefusal(400, "bad_encoding", str(error)) from error
        except TooMuch:
            raise HttpRefusal(
                413, "too_large", f"more than {self._max_bytes:,} bytes, or 200 times what was sent, come out of the body: "
                "send smaller batches",
            ) from None  # fmt: skip


def _status_of(reason: Reason) -> int:
    return 413 if reason is Reason.TOO_LARGE else 400
