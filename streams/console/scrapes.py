"""What workers and ingest say of themselves, asked for every few seconds: their metrics, and nothing of teams."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

__all__ = ["Reading", "Scraper", "Target", "reading_of"]

_EVERY_SECONDS: Final = 5.0
_TIMEOUT: Final = aiohttp.ClientTimeout(total=3.0)
#: A worker exposes 5,000 series at most by default, in less than a megabyte.
_MOST_BYTES: Final = 8 * 1024 * 1024
_MOST_TARGETS: Final = 200
#: Two readings that are nearer to each other make no rate.
_LEAST_SECONDS: Final = 1.0
#: What pages show. Spend and tokens by team are left out: parsing them would take longer than all others.
_WANTED: Final = (
    "assay_events_", "assay_event_lag_seconds", "assay_duplicate_requests_total", "assay_request_conflicts_total",
    "assay_outcome_joins_total", "assay_alerts_total", "assay_detector_decisions_total", "assay_windows_published_total",
    "assay_window_revisions_total", "assay_shards", "assay_recovering", "assay_build_info", "assay_cost_checks_total",
    "assay_withheld_spend_usd", "assay_ingest_accepted_total", "assay_ingest_refused_total", "assay_ingest_skipped_total",
    "assay_ingest_kafka_up", "assay_ingest_spool_bytes", "assay_ingest_attributed_total", "assay_ingest_linked_total",
    "assay_ingest_build_info",
)  # fmt: skip

#: A metric's name, and its labels in order.
Series = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class Reading:
    """One scrape: when by a clock that only goes forward, and the values."""

    at_seconds: float
    values: Mapping[Series, float]

    def total(self, name: str, **labels: str) -> float | None:
        """The sum over series that have these labels; None where there is none."""
        wanted = labels.items()
        found = [value for (it, has), value in self.values.items() if it == name and wanted <= dict(has).items()]
        return sum(found) if found else None

    def by(self, name: str, *labels: str) -> dict[tuple[str, ...], float]:
        """Sums by the values of some labels."""
        sums: dict[tuple[str, ...], float] = {}
        for (it, has), value in self.values.items():
            if it == name:
                key = tuple(dict(has).get(label, "") for label in labels)
                sums[key] = sums.get(key, 0.0) + value
        return sums


@dataclass(slots=True)
class Target:
    """One process, and its last two readings; ``problem`` says why the last one failed."""

    address: str
    last: Reading | None = None
    before: Reading | None = None
    problem: str = ""
    tried: bool = field(default=False)

    @property
    def up(self) -> bool:
        """Whether it answered when last asked."""
        return self.last is not None and not self.problem

    def note(self, reading: Reading) -> None:
        """It has answered."""
        self.problem = ""
        self.tried = True
        if self.last is None or reading.at_seconds - self.last.at_seconds >= _LEAST_SECONDS:
            self.before, self.last = self.last, reading

    def fail(self, problem: str) -> None:
        """It has not."""
        self.problem = problem
        self.tried = True

    def rate(self, name: str, **labels: str) -> float | None:
        """Of a counter, a second, between the last two readings; None where there are none, or it began anew."""
        if not self.up or self.last is None or self.before is None:
            return None
        new, old = self.last.total(name, **labels), self.before.total(name, **labels)
        if new is None or new < (old or 0.0):
            return None
        return (new - (old or 0.0)) / (self.last.at_seconds - self.before.at_seconds)


def reading_of(text: str, at_seconds: float) -> Reading:
    """The values in a text of metrics that pages show. Raises ValueError where it is none."""
    kept = "\n".join(line for line in text.splitlines() if line.startswith(_WANTED))
    values = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(kept + "\n")
        for sample in family.samples
    }
    return Reading(at_seconds, values)


class Scraper:
    """Asks all processes behind some addresses; a name with several addresses is as many processes."""

    def __init__(self, urls: Iterable[str]) -> None:
        self._urls = tuple(urls)
        self._targets: dict[str, Target] = {}

    @property
    def configured(self) -> bool:
        """Whether there is anybody to ask."""
        return bool(self._urls)

    def targets(self) -> list[Target]:
        """All that were found, by address."""
        return [self._targets[name] for name in sorted(self._targets)]

    async def follow(self) -> None:
        """Ask for ever."""
        async with aiohttp.ClientSession(timeout=_TIMEOUT, raise_for_status=True) as session:
            while True:
                await self._ask_all(session)
                await asyncio.sleep(_EVERY_SECONDS)

    async def _ask_all(self, session: aiohttp.ClientSession) -> None:
        found: dict[str, Target] = {}
        for url in self._urls:
            for address in await _addresses(url):
                if len(found) < _MOST_TARGETS:
                    found[address] = self._targets.get(address) or Target(address)
        self._targets = found
        await asyncio.gather(*(_ask(session, target) for target in found.values()))


async def _addresses(url: str) -> list[str]:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if parts.scheme == "https":
        # A certificate is for the name.
        return [url]
    try:
        found = await asyncio.get_running_loop().getaddrinfo(parts.hostname or "", port)
    except OSError:
        return [url]
    hosts = sorted({str(address[4][0]) for address in found})
    if len(hosts) < 2 or parts.hostname in ("localhost", *hosts):
        return [url]
    return [f"http://{f'[{host}]' if ':' in host else host}:{port}{parts.path}" for host in hosts]


async def _ask(session: aiohttp.ClientSession, target: Target) -> None:
    try:
        async with session.get(f"{target.address}/metrics", allow_redirects=False) as answer:
            body = await answer.content.read(_MOST_BYTES)
            while not answer.content.at_eof() and len(body) < _MOST_BYTES:
                body += await answer.content.read(_MOST_BYTES - len(body))
            target.note(reading_of(body.decode(), time.monotonic()))
    except aiohttp.ClientResponseError as error:
        target.fail(f"answers {error.status}")
    except (aiohttp.ClientError, TimeoutError, OSError):
        target.fail("does not answer")
    except ValueError:
        target.fail("answers with what are no metrics")
