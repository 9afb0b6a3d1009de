"""A client of any schema registry that speaks Confluent's HTTP API."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import aiohttp
from yarl import URL

from streams.clock import Clock, SystemClock
from streams.core.schemas import ParsedSchema, SchemaError, parse_schema
from streams.errors import ConfigError, DependencyError

__all__ = ["SchemaRegistry"]

# The registry says that it does not have a schema by a code of its own in the body. A plain 404 says that the URL is
# not that of a registry, and must not turn every record into a dead letter.
_UNKNOWN_SCHEMA_CODES: Final = range(40_400, 40_500)
_REFUSED_STATUSES: Final = (409, 422)
_MEDIA_TYPE: Final = "application/vnd.schemaregistry.v1+json"
_CONCURRENT_REQUESTS: Final = 8
# Garbage that begins with a NUL names a random id: what is remembered of such ids must be bounded.
_MAX_UNKNOWN: Final = 10_000


class SchemaRegistry:
    """Schemas by id, fetched once; a ``SchemaCache`` for decoders.

    A schema never changes under its id, so what is known stays known. An id the registry does not have may be one that
    a follower has not seen yet: it is asked for again a bounded number of times, then believed unknown for a while.
    Any other failure is the registry's, not the record's, and raises: the caller stops instead of dead-lettering.

    Args:
        url: Base URL; user and password in it are sent as basic authentication and shown nowhere.
        clock: Tells when to stop believing that an id is unknown.
        sleep: Waits between attempts.
        attempts: How often a request is sent before the answer counts.
        backoff_seconds: Pause after the first attempt; it doubles after each.
        timeout_seconds: Limit of one attempt.
        unknown_for_ms: How long an unknown id stays unknown.

    Raises:
        ConfigError: The URL is not one of a web server.
    """

    def __init__(
        self,
        url: str,
        *,
        clock: Clock | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        attempts: int = 5,
        backoff_seconds: float = 0.1,
        timeout_seconds: float = 5.0,
        unknown_for_ms: int = 60_000,
    ) -> None:
        self._base, self._headers = _split(url)
        self._clock = clock or SystemClock()
        self._sleep = sleep
        self._attempts = attempts
        self._backoff_seconds = backoff_seconds
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._unknown_for_ms = unknown_for_ms
        self._session: aiohttp.ClientSession | None = None
        self._slots = asyncio.Semaphore(_CONCURRENT_REQUESTS)
        self._schemas: dict[int, ParsedSchema] = {}
        self._unusable: dict[int, str] = {}
        self._unknown_until: dict[int, int] = {}
        self._in_flight: dict[int, asyncio.Lock] = {}
        self._registered: dict[tuple[str, str], int] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def unusable(self) -> dict[int, str]:
        """Why some ids the registry does have cannot be read with: not Avro, recursive, made of references."""
        return dict(self._unusable)

    def get(self, schema_id: int, /) -> ParsedSchema | None:
        """The schema if it is known; never waits. Call :meth:`ensure` before decoding."""
        return self._schemas.get(schema_id)

    def unsettled(self, ids: Iterable[int]) -> set[int]:
        """Those ids that the registry would have to be asked for."""
        return {schema_id for schema_id in ids if not self._is_settled(schema_id)}

    async def ensure(self, ids: Iterable[int]) -> None:
        """Fetch what is not known yet, so that ``get`` answers for these ids.

        Raises:
            DependencyError: The registry is not available or does not answer like one.
        """
        missing = self.unsettled(ids)
        if not missing:
            return
        outcomes = await asyncio.gather(*map(self._learn, missing), return_exceptions=True)
        for outcome in outcomes:
            if outcome is not None:
                raise outcome

    async def register(self, subject: str, schema: str) -> int:
        """Register a schema under a subject, or find it there; its id.

        Raises:
            ConfigError: The registry refuses the schema, such as for being incompatible with the subject's others.
            DependencyError: The registry is not available or does not answer like one.
        """
        known = self._registered.get((subject, schema))
        if known is not None:
            return known
        path = f"subjects/{quote(subject, safe='')}/versions"
        answer = await self._request("POST", path, {"schema": schema})
        schema_id = None if answer is None else answer.get("id")
        if not isinstance(schema_id, int):
            msg = f"the schema registry at {self._base} did not return an id for subject {subject}"
            raise DependencyError(msg)
        self._registered[subject, schema] = schema_id
        return schema_id

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _is_settled(self, schema_id: int) -> bool:
        if schema_id in self._schemas or schema_id in self._unusable:
            return True
        return self._unknown_until.get(schema_id, 0) > self._clock.now_ms()

    async def _learn(self, schema_id: int) -> None:
        # Every partition asks for the same new id at the same moment: one request answers all.
        async with self._in_flight.setdefault(schema_id, asyncio.Lock()):
            try:
                if self._is_settled(schema_id):
                    return
                async with self._slots:
                    answer = await self._request("GET", f"schemas/ids/{schema_id}")
                if answer is None:
                    self._remember_unknown(schema_id)
                else:
                    self._remember(schema_id, answer)
            finally:
                self._in_flight.pop(schema_id, None)

    def _remember(self, schema_id: int, answer: dict[str, Any]) -> None:
        text = answer.get("schema")
        if not isinstance(text, str):
            msg = f"the schema registry at {self._base} answered without a schema for id {schema_id}"
            raise DependencyError(msg)
        if answer.get("schemaType", "AVRO") != "AVRO":
            self._unusable[schema_id] = "not an Avro schema"
        elif answer.get("references"):
            self._unusable[schema_id] = "refers to other schemas: register it whole"
        else:
            try:
                self._schemas[schema_id] = parse_schema(text)
            except SchemaError as error:
                self._unusable[schema_id] = str(error)

    def _remember_unknown(self, schema_id: int) -> None:
        self._unknown_until.pop(schema_id, None)
        while len(self._unknown_until) >= _MAX_UNKNOWN:
            del self._unknown_until[next(iter(self._unknown_until))]
        self._unknown_until[schema_id] = self._clock.now_ms() + self._unknown_for_ms

    async def _request(self, method: str, path: str, body: dict[str, str] | None = None) -> dict[str, Any] | None:
        """The answer's JSON object, or None when the registry keeps saying that it has no such thing."""
        problem: str | None = None
        for attempt in range(self._attempts):
            if attempt:
                await self._sleep(self._backoff_seconds * 2 ** (attempt - 1))
            try:
                status, answer = await self._send(method, path, body)
            except (aiohttp.ClientError, TimeoutError) as error:
                problem = f"is not available ({type(error).__name__})"
                continue
            if status == 200 and answer is not None:
                return answer
            code = answer.get("error_code") if answer else None
            if status == 404 and code in _UNKNOWN_SCHEMA_CODES:
                problem = None
                continue
            problem = f"answered {status}" if answer is not None else f"answered {status} and not like a registry"
            if status in _REFUSED_STATUSES:
                msg = f"the schema registry at {self._base} refuses {method} {path}: {_message(answer)}"
                raise ConfigError(msg)
            if status in (401, 403, 404):
                break
        if problem is None:
            return None
        msg = f"the schema registry at {self._base} {problem} to {method} {path}: check its URL, credentials and health"
        raise DependencyError(msg)

    async def _send(self, method: str, path: str, body: dict[str, str] | None) -> tuple[int, dict[str, Any] | None]:
        if self._session is None:
            self._session = aiohttp.ClientSession(headers=self._headers, timeout=self._timeout)
        url = self._base.joinpath(path, encoded=True)
        headers = {} if body is None else {"Content-Type": _MEDIA_TYPE}
        data = None if body is None else json.dumps(body).encode()
        async with self._session.request(method, url, data=data, headers=headers) as response:
            content = await response.read()
        try:
            answer = json.loads(content)
        except ValueError:
            answer = None
        return response.status, answer if isinstance(answer, dict) else None


def _split(url: str) -> tuple[URL, dict[str, str]]:
    """The URL without its user and password, and the headers of every request."""
    try:
        parsed = URL(url)
    except ValueError:
        parsed = URL()
    if parsed.scheme not in ("http", "https") or not parsed.host:
        msg = "schema_registry_url must be a URL such as http://registry:8081"
        raise ConfigError(msg)
    headers = {"Accept": f"{_MEDIA_TYPE}, application/json"}
    if parsed.user is not None:
        credentials = f"{parsed.user}:{parsed.password or ''}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(credentials).decode()}"
    return parsed.with_user(None), headers


def _message(answer: dict[str, Any] | None) -> str:
    return str((answer or {}).get("message", "no reason given"))[:300]
