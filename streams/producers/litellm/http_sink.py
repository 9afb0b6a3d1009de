"""Sends events to ``assay ingest`` over HTTP, as a JSON array."""

import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import aiohttp
import orjson

from streams.producers.litellm.sinks import Refusal, TryAgain

__all__ = ["HttpSink"]

#: Statuses by which the receiver judges what was sent; with every other it may take the same later.
_REFUSED: Final = frozenset({400, 413, 415, 422})
#: Of an answer, with a refusal of every event of a batch; and what of it goes into a log.
_MOST_OF_AN_ANSWER: Final = 1024 * 1024
_SHOWN: Final = 300


class HttpSink:
    """POSTs to one URL. ``token`` is asked for each request, so that a token in a file may be replaced at any time."""

    def __init__(
        self,
        url: str,
        *,
        token: Callable[[], str | None] = lambda: None,
        timeout_seconds: float = 30.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._url = url
        self._token = token
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds, connect=10)
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def send(self, lines: Sequence[bytes]) -> Mapping[int, str]:
        """One request; a 2xx means that the receiver keeps them, but those that its answer lists."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        headers = {"content-type": "application/json", "user-agent": "assay-litellm"}
        try:
            if token := self._token():
                headers["authorization"] = f"Bearer {token}"
            body = b"[" + b",".join(lines) + b"]"
            async with self._session.post(
                self._url, data=body, headers=headers, ssl=self._tls or True, allow_redirects=False
            ) as answer:
                said = await _beginning(answer.content)
                if 200 <= answer.status < 300:
                    return _refused(said, len(lines))
                why = f"{self._url} answers {answer.status}: {said[:_SHOWN].decode(errors='replace')}"
                if answer.status in _REFUSED:
                    raise Refusal(why)
                raise TryAgain(why, _seconds(answer.headers.get("retry-after")))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise TryAgain(f"{self._url}: {type(error).__name__}: {error}") from error

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


async def _beginning(content: aiohttp.StreamReader) -> bytes:
    """The answer, or as much of it as is read: a single read gives what has come so far."""
    said = bytearray()
    while len(said) < _MOST_OF_AN_ANSWER and (piece := await content.read(_MOST_OF_AN_ANSWER - len(said))):
        said += piece
    return bytes(said)


def _refused(said: bytes, count: int) -> dict[int, str]:
    """Places of events that were refused, of an answer ``{"refused": [{"place", "reason", "detail"}]}``; others list none."""
    try:
        listed = orjson.loads(said)["refused"]
        found = {int(each["place"]): str(each["detail"]) for each in listed}
    except (ValueError, TypeError, KeyError):
        return {}
    return {place: why for place, why in found.items() if 0 <= place < count}


def _seconds(retry_after: str | None) -> float | None:
    try:
        return None if retry_after is None else max(0.0, float(retry_after))
    except ValueError:  # a date: our own waiting does as well
        return None
