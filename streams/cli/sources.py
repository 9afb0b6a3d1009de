"""``assay sources``: the register of sources, and what a running ingest has had of each."""

import json
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import click

from streams.cli.groups import command
from streams.cli.tables import show_table
from streams.errors import DataError, DependencyError
from streams.sources.booking import Attribution
from streams.sources.catalogue import SOURCES, Source
from streams.sources.linking import Link

__all__ = ["sources"]

_SECONDS: Final = 10.0
#: More than all of ingest's metrics are by far.
_MOST_BYTES: Final = 16 * 1024 * 1024
#: Counters of ingest, each with the label that tells its parts.
_COUNTERS: Final = {"accepted": "form", "refused": "reason", "skipped": "reason", "attributed": "by", "linked": "by"}

_NAMES_A_RUN: Final = frozenset({Link.TRAILER, Link.MARKER, Link.LABEL, Link.BRANCH, Link.SESSION, Link.FIELD})

_Coverage = Mapping[str, Mapping[str, Counter[str]]]


@command(
    "sources",
    examples=(
        "assay sources",
        "assay sources --metrics http://127.0.0.1:6069/metrics",
        "assay sources --json | jq -r '.[].routes[]'",
    ),
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
@click.option(
    "--metrics", metavar="URL", help="Metrics page of a running `assay ingest`: adds what it has had of each."
)
def sources(as_json: bool, metrics: str | None) -> None:
    """List the systems whose records are read.

    With each: what to call it, the paths that it posts to, the files of it that `assay import` reads, how its requests are signed, and its pages
    in the documentation. With --metrics also how many events of it were accepted, how many items refused and skipped, and of
    which share somebody is named as the team, since that process has started.
    """
    coverage = _coverage(metrics) if metrics is not None else None
    found = [_described(source, coverage) for source in SOURCES]
    if as_json:
        click.echo(json.dumps(found, indent=2))
    elif coverage is None:
        show_table(
            ("source", "system", "routes", "files", "signed", "pages"),
            [
                (
                    source.name, source.title, " ".join(route.path for route in source.routes),
                    "; ".join(source.files) or "-", source.signature or "-", " ".join(_pages(source)),
                )
                for source in SOURCES
            ],
        )  # fmt: skip
    else:
        show_table(
            ("source", "usage", "outcomes", "refused", "skipped", "of a team", "outcomes with a run"),
            [_covered(each["name"], each["coverage"]) for each in found],
        )


def _described(source: Source, coverage: _Coverage | None) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": source.name,
        "title": source.title,
        "routes": [route.path for route in source.routes],
        "files": list(source.files),
        "signature": source.signature,
        "pages": _pages(source),
    }
    if coverage is not None:
        described["coverage"] = {name: dict(coverage[source.name][name]) for name in _COUNTERS}
        described["coverage"]["attributed_share"] = _attributed(described["coverage"])
    return described


def _pages(source: Source) -> list[str]:
    return [f"docs/sources/{page}.md" for page in source.pages]


def _covered(name: str, coverage: Mapping[str, Any]) -> tuple[str, ...]:
    accepted, linked = coverage["accepted"], coverage["linked"]
    named = sum(count for by, count in linked.items() if by in _NAMES_A_RUN)
    return (
        name, f"{accepted.get('usage', 0):,}", f"{accepted.get('outcome', 0):,}", f"{sum(coverage['refused'].values()):,}",
        f"{sum(coverage['skipped'].values()):,}", _percent(coverage["attributed_share"]),
        _percent(named / sum(linked.values()) if linked else None),
    )  # fmt: skip


def _attributed(coverage: Mapping[str, Mapping[str, int]]) -> float | None:
    """The share whose team was not the default's; None where nothing came."""
    by = coverage["attributed"]
    total = sum(by.values())
    return 1 - by.get(Attribution.DEFAULT, 0) / total if total else None


def _percent(share: float | None) -> str:
    return "" if share is None else f"{int(share * 100)}%"


def _coverage(url: str) -> _Coverage:
    """Counters by source, then by what they count. Raises DependencyError, and DataError for another page."""
    from prometheus_client.parser import text_string_to_metric_families

    found: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    seen = False
    try:
        for family in text_string_to_metric_families(_page(url)):
            seen = seen or family.name.startswith("assay_ingest_")
            name = family.name.removeprefix("assay_ingest_")
            if name in _COUNTERS and family.name != name:
                for sample in family.samples:
                    if sample.name.endswith("_total"):
                        labels = sample.labels
                        found[labels["source"]][name][labels[_COUNTERS[name]]] += int(sample.value)
    except (ValueError, KeyError) as error:
        raise DataError(
            f"{url} is no page of metrics; give that of `assay ingest`, /metrics on its web port"
        ) from error
    if not seen:
        raise DataError(f"{url} has no metrics of `assay ingest`; give /metrics on its web port, 6069 by default")
    return found


def _page(url: str) -> str:
    if urlsplit(url).scheme not in {"http", "https"}:
        raise click.UsageError("--metrics is a URL: http://127.0.0.1:6069/metrics")
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer:  # noqa: S310 - the scheme is checked above
            text: bytes = answer.read(_MOST_BYTES)
    except (OSError, ValueError) as error:
        raise DependencyError(
            f"{url} cannot be read ({getattr(error, 'reason', error)}); is `assay ingest` there?"
        ) from error
    return text.decode(errors="replace")
