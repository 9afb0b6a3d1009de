"""Explanations as a person reads them on a terminal."""

from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import Any, Final

from streams.core.alerts import Alert
from streams.explain.document import Explanation, reason_words, score_of
from streams.explain.lives import Life
from streams.explain.rebuilding import Rebuild
from streams.explain.words import THRESHOLD, number, silencers
from streams.report.names import shown
from streams.report.words import count, instant, money, plural

__all__ = ["render"]

_LABEL: Final = 14
_LEAST_WIDTH: Final = 40
#: Text in a record comes from whoever wrote the topic; longer than any that a detector writes.
_LONGEST: Final = 1_000
_MOST_DIFFERENCES: Final = 12


def render(explanations: Sequence[Explanation], width: int) -> str:
    """All explanations, one after the other, each line as wide as the terminal at most, names and figures excepted."""
    width = max(width, _LEAST_WIDTH)
    return "\n".join("\n".join(_lines(it, width)) + "\n" for it in explanations)


def _lines(it: Explanation, width: int) -> Iterator[str]:
    now = it.life.current
    scope = shown(now.team) if now.workflow is None else f"{shown(now.team)} / {shown(now.workflow)}"
    yield f"ALERT {shown(it.life.alert_id)}"
    yield f"{now.severity}, {now.state}: {shown(now.detector)} in {scope}"
    yield ""
    for label, paragraphs in _sections(it, now):
        for place, paragraph in enumerate(paragraphs):
            head = f"{label:<{_LABEL}}" if place == 0 else " " * _LABEL
            yield from wrap(
                paragraph, width, initial_indent=head, subsequent_indent=" " * _LABEL, break_long_words=False,
                break_on_hyphens=False,
            ) or [head.rstrip()]  # fmt: skip


def _sections(it: Explanation, now: Alert) -> Iterator[tuple[str, list[str]]]:
    detector = it.detector
    yield "What", [shown(now.summary, _LONGEST)]
    if detector is None:
        yield "Rule", [f"unknown: this release has no detector {shown(now.detector)}"]
    else:
        yield "Rule", [detector.rule]
    yield "Figures", [f"observed {number(now.observed)}, expected {number(now.expected)}, ratio {number(now.ratio)}"]
    evidence = [f"{shown(name)} {number(value)}" for name, value in now.evidence.items() if name != "score"]
    if evidence:
        yield "Evidence", [", ".join(evidence)]
    yield "Sample", [f"{count(now.sample_size)} of {count(now.min_sample_size)} needed"]
    yield "Threshold", [f"fires at a score of {THRESHOLD:g}; this had {number(score_of(now))}"]
    start, end = instant(now.window_start), instant(now.window_end)
    yield "Window", [start if start == end else f"{start} to {end}"]
    yield "At stake", [money(now.money_at_stake_micro_usd)]
    if detector is not None:
        yield "Silent if", [f"- {it}" for it in silencers(detector, now)]
    if now.benign_causes:
        yield "Harmless if", [f"- {shown(cause, _LONGEST)}" for cause in now.benign_causes]
    yield "Next step", [shown(now.next_step, _LONGEST)]
    yield "Time line", list(_time_line(it.life))
    yield "Configuration", [shown(now.config_version, _LONGEST) if now.config_version else "the defaults"]
    if it.rebuild is not None:
        yield "Rebuilt", list(_rebuilt(it.rebuild))


def _time_line(life: Life) -> Iterator[str]:
    if life.missing:
        yield f"({plural(life.missing, 'earlier revision')} no longer kept: a compacted topic keeps the newest)"
    for record in life.records:
        words = reason_words(record.reason) or "(a reason that this release does not know)"
        yield (
            f"{instant(record.updated_at)}  revision {record.revision}, {record.state}, {record.severity}, "
            f"score {number(score_of(record))}, {money(record.money_at_stake_micro_usd)}  "
            f"{shown(record.reason)}: {words}"
        )


def _rebuilt(rebuild: Rebuild) -> Iterator[str]:
    yield rebuild.why
    for it in rebuild.differences[:_MOST_DIFFERENCES]:
        yield f"- revision {it.revision}, {it.field}: recorded {_value(it.recorded)}, rebuilt {_value(it.rebuilt)}"
    more = len(rebuild.differences) - _MOST_DIFFERENCES
    if more > 0:
        yield f"- and {more} more"
    if rebuild.later:
        yield f"The log goes on: {plural(rebuild.later, 'later revision')} came out."
    yield f"configuration: {rebuild.config_version or 'the defaults'}"
    if rebuild.decisions:
        yield "Decisions on its scope in that time:"
    for tally in rebuild.decisions:
        best = "" if tally.score is None else f", best score {tally.score:.2g}"
        seen = "" if tally.n is None else f", {tally.n} of {tally.need} needed"
        yield (
            f"- {tally.reason.value}: {count(tally.count)}, {instant(tally.first_ms)} to {instant(tally.last_ms)}"
            f"{best}{seen}"
        )


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{shown(str(name))} {number(figure)}" for name, figure in value.items())
    return number(value) if isinstance(value, int | float) and abs(value) < 1e11 else str(value)
