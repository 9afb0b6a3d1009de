"""``/sources``: who sends, how much of it is known, what is counted twice or refused."""

from typing import Any, Final

from streams.console.asking import Ask, Site, View
from streams.console.figures import SHARES
from streams.console.scrapes import Target
from streams.report import words

__all__ = ["page"]

_MOST_ROWS: Final = 100
_TITLES: Final = {
    "price_coverage": "Calls with a known cost", "call_attribution": "Calls that name a run",
    "outcome_attribution": "Outcomes joined by run", "outcome_coverage": "Mature runs with an outcome",
}  # fmt: skip


def page(site: Site, ask: Ask) -> View:
    """What is told by records of figures, by workers, by ingest and by dead letters."""
    shares = [(name, _TITLES[name], site.figures.share(name)) for name in SHARES]
    posted, pairs = _posted(site.ingests), _pairs(site.workers)
    letters = site.letters.counts()[:_MOST_ROWS]
    topics = _topics(site.workers)
    return View(
        "Sources",
        "sources.html.j2",
        {
            "shares": [
                (title, words.share(ratio.value), "" if ratio.value is None else f"{ratio.numerator:,} of {ratio.denominator:,}")
                for _, title, ratio in shares
            ],
            "posted": posted, "pairs": pairs, "letters": letters, "topics": topics, "week": site.figures.week,
        },
        {
            "shares": {
                name: {"value": ratio.value, "numerator": ratio.numerator, "denominator": ratio.denominator}
                for name, _, ratio in shares
            },
            "topics": topics, "posted": posted, "pairs_of_sources": pairs, "dead_letters": [it._asdict() for it in letters],
        },
    )  # fmt: skip


def _topics(workers: tuple[Target, ...] | None) -> list[dict[str, Any]] | None:
    """What comes in by topic, since the workers began, and how old its newest event is."""
    readings = [it.last for it in workers or () if it.last is not None]
    if not readings:
        return None
    found: dict[str, dict[str, Any]] = {}
    for reading in readings:
        for counter in ("received", "applied", "duplicate"):
            for (topic,), value in reading.by(f"assay_events_{counter}_total", "topic").items():
                row = found.setdefault(topic, {"topic": topic, "age_seconds": None})
                row[counter] = row.get(counter, 0) + round(value)
        for (topic, _), age in reading.by("assay_event_lag_seconds", "topic", "partition").items():
            row = found.setdefault(topic, {"topic": topic, "age_seconds": None})
            # The newest of all partitions.
            row["age_seconds"] = age if row["age_seconds"] is None else min(row["age_seconds"], age)
    return [found[name] for name in sorted(found)]


def _posted(ingests: tuple[Target, ...] | None) -> list[dict[str, Any]] | None:
    """What systems posted to ingest, since it began; a row for each that posted anything."""
    targets = [it for it in ingests or () if it.last is not None]
    if not targets:
        return None
    found: dict[str, dict[str, Any]] = {}
    for target in targets:
        assert target.last is not None
        for what in ("accepted", "refused", "skipped"):
            for (source,), value in target.last.by(f"assay_ingest_{what}_total", "source").items():
                if value:
                    row = found.setdefault(
                        source, {"source": source, "accepted": 0, "refused": 0, "skipped": 0, "rate": None}
                    )
                    row[what] += round(value)
    for row in found.values():
        rates = [
            it
            for it in (t.rate("assay_ingest_accepted_total", source=row["source"]) for t in targets)
            if it is not None
        ]
        row["rate"] = sum(rates) if rates else None
    return [found[name] for name in sorted(found)][:_MOST_ROWS]


def _pairs(workers: tuple[Target, ...] | None) -> list[dict[str, Any]] | None:
    """Requests that two sources reported: those they agreed on, counted once, and those they did not."""
    readings = [it.last for it in workers or () if it.last is not None]
    if not readings:
        return None
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for reading in readings:
        for what, counter in (
            ("agreed", "assay_duplicate_requests_total"),
            ("differed", "assay_request_conflicts_total"),
        ):
            for pair, value in reading.by(counter, "first_source", "later_source").items():
                row = found.setdefault(pair, {"first": pair[0], "later": pair[1], "agreed": 0, "differed": 0})
                row[what] += round(value)
    return [found[pair] for pair in sorted(found)][:_MOST_ROWS]
