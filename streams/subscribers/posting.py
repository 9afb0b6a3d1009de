"""One HTTP request after the other, each tried until it is settled: the only place of the bridges that sends."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import aiohttp
import structlog

from streams.subscribers.bridge_metrics import BridgeMetrics
from streams.subscribers.retrying import Answer, Reason, decide, retry_after

__all__ = ["Courier", "Poster"]

log = structlog.get_logger(__name__)

#: How often a request under way looks whether the bridge is to stop, and how long it then still waits for the answer.
_LOOK_SECONDS: Final = 0.1
_LAST_CHANCE_SECONDS: Final = 2.0
#: Of an answer that is not what was hoped for.
_DETAIL_BYTES: Final = 300


class Poster:
    """Posts to one URL and gives what came back; never raises for the server's sake. Not for use in an event loop.

    User and password in the URL are sent as basic authentication.
    """

    def __init__(self, url: str, *, timeout_seconds: float, stopping: Callable[[], bool]) -> None:
        self._url = url
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._stopping = stopping
        self._loop = asyncio.Runner()
        self._session: aiohttp.ClientSession | None = None

    def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send, and wait for the answer; two seconds at the most once the bridge is to stop."""
        return self._loop.run(self._post(body, headers))

    def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            self._loop.run(self._session.close())
        self._loop.close()

    async def _post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout, headers={"User-Agent": "assay"})
        request = asyncio.create_task(self._answer(self._session, body, headers))
        left = _LAST_CHANCE_SECONDS
        while not request.done():
            await asyncio.wait({request}, timeout=_LOOK_SECONDS)
            left -= _LOOK_SECONDS * self._stopping()
            if left < 0 and not request.done():
                request.cancel()
                await asyncio.wait({request})
                return Answer(None, "the bridge stops", timed_out=True)
        return request.result()

    async def _answer(self, session: aiohttp.ClientSession, body: bytes, headers: Mapping[str, str]) -> Answer:
        try:
            # A redirected POST would be a GET, or would take the alert where nobody meant it to go.
            async with session.post(self._url, data=body, headers=headers, allow_redirects=False) as response:
                text = await response.content.read(_DETAIL_BYTES)
                wait = retry_after(response.headers.get("Retry-After"))
                return Answer(response.status, text.decode(errors="replace"), retry_after_s=wait)
        except TimeoutError:
            return Answer(None, "no answer in time", timed_out=True)
        except (aiohttp.ClientError, OSError) as error:
            return Answer(None, str(error) or type(error).__name__)


class Courier:
    """Tries a request again and again, each time when it is due: whoever calls it has other things to do meanwhile.

    Args:
        post: Sends a body with headers.
        metrics: Where tries are counted.
        now_seconds: A clock that only runs forwards.
        jitter: A number in [0, 1), another one each time.
    """

    def __init__(
        self,
        post: Callable[[bytes, Mapping[str, str]], Answer],
        metrics: BridgeMetrics,
        *,
        now_seconds: Callable[[], float],
        jitter: Callable[[], float],
    ) -> None:
        self._post = post
        self._metrics = metrics
        self._now_seconds = now_seconds
        self._jitter = jitter
        self._attempts = 0
        self._not_before = float("-inf")
        self._trouble: Reason | None = None
        self.last_answer = Answer(None)

    @property
    def ready(self) -> bool:
        """Whether a try is due."""
        return self._now_seconds() >= self._not_before

    def send(self, body: bytes, headers: Mapping[str, str]) -> Reason:
        """Try once. What is to be retried is to be given again when ``ready`` says so."""
        self.last_answer = answer = self._post(body, headers)
        self._attempts += 1
        decision = decide(answer, self._attempts, self._jitter())
        reason = decision.reason
        if reason.retried:
            self._not_before = self._now_seconds() + decision.wait_seconds
            self._metrics.retries.labels(reason.value).inc()
            if reason is not self._trouble:
                # Said once a trouble, not once a try: an outage of a night is one line.
                log.warning("forward_retries", reason=reason.value, status=answer.status, detail=answer.detail)
            self._trouble = reason
            return reason
        if self._trouble is not None:
            log.info("forward_recovered", attempts=self._attempts)
        self._attempts, self._not_before, self._trouble = 0, float("-inf"), None
        return reason
