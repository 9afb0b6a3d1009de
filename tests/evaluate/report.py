"""Adds up the seeds, with intervals, and prints what matters as a table."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from random import Random
from statistics import fmean, median, quantiles
from typing import Any, Final

from streams.simulation.labelled import BEHAVIOURS, STRENGTHS
from tests.evaluate.intervals import bootstrap_ratio, wilson

__all__ = ["REPORT_SEEDS", "TUNING_SEEDS", "aggregate", "purpose", "table"]

#: Parameters may be looked at and changed on the first, and figures are reported on others only. What was reported once has been
#: looked at: seeds below 60 have served.
TUNING_SEEDS: Final = range(50)
REPORT_SEEDS: Final = range(60, 80)
_HOUR_MS: Final = 3_600_000
#: Rules of one field that the table shows; all are in the file.
_SHOWN: Final = 6


def purpose(seeds: Sequence[int]) -> str:
    """What figures of these seeds may be used for."""
    tuning = [seed in TUNING_SEEDS for seed in seeds]
    return "tuning" if all(tuning) else "mixed: not to be reported" if any(tuning) else "report"


def aggregate(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The report as data."""
    seeds = [result["seed"] for result in results]
    report: dict[str, Any] = {"scenario": results[0]["scenario"], "seeds": seeds, "purpose": purpose(seeds)}
    ours = [result["ours"] for result in results if "ours" in result]
    if ours:
        report["ours"] = _ours(ours)
    rate = report["ours"]["false_per_clean_team_week"]["value"] if ours else 0.01
    for key in ("rivals", "fields"):
        if all(key in result for result in results):
            episodes = sum(result["episodes"] for result in results)
            report[key] = {
                name: _curve([result[key][name] for result in results], episodes, rate) for name in results[0][key]
            }
    return report


def _share(hits: int, of: int) -> dict[str, Any]:
    interval = wilson(hits, of)
    return {"value": hits / of if of else None, "n": of, "hits": hits, "interval": interval}


def _delays(delays_ms: Sequence[int]) -> dict[str, Any]:
    hours = sorted(delay / _HOUR_MS for delay in delays_ms)
    if not hours:
        return {"n": 0, "median_hours": None, "p90_hours": None}
    p90 = quantiles(hours, n=10, method="inclusive")[-1] if len(hours) > 1 else hours[0]
    return {"n": len(hours), "median_hours": round(median(hours), 3), "p90_hours": round(p90, 3)}


def _ours(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    episodes = [episode for part in parts for episode in part["episodes"]]
    false = [each for part in parts for each in part["false"]]
    found = sum(episode["found"] for episode in episodes)
    weeks = sum(part["clean_team_weeks"] for part in parts)
    pairs = [(float(len(part["false"])), float(part["clean_team_weeks"])) for part in parts]

    def recall(behaviour: str | None, strength: str | None) -> dict[str, Any]:
        of = [
            episode["found"]
            for episode in episodes
            if behaviour in (None, episode["behaviour"]) and strength in (None, episode["strength"])
        ]
        return _share(sum(of), len(of))

    detectors: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for part in parts:
        for name, counts in part["by_detector"].items():
            detectors[name].update(counts)
    exposures = Counter(kind for part in parts for kind in part["look_alikes"])
    about = Counter(each["about"] for each in false)
    return {
        "recall": {strength: recall(None, strength) for strength in STRENGTHS},
        "recall_by_behaviour": {
            behaviour: {strength: recall(behaviour, strength) for strength in STRENGTHS} for behaviour in BEHAVIOURS
        },
        "recall_by_chance": fmean(part["found_by_chance"] for part in parts),
        "found_by": {
            behaviour: dict(Counter(e["by"] for e in episodes if e["found"] and e["behaviour"] == behaviour))
            for behaviour in BEHAVIOURS
        },
        "precision": _share(found, found + len(false)),
        "false_per_clean_team_week": {
            "value": len(false) / weeks if weeks else None, "false": len(false), "team_weeks": weeks,
            "interval": bootstrap_ratio(pairs, Random(0)),
        },
        "declared_look_alikes_alerted": sum(each["declared"] for each in false),
        "look_alikes": {kind: {"n": n, "alerts": about[kind]} for kind, n in sorted(exposures.items())},
        "false_about": dict(about.most_common()),
        "false_why": dict(Counter(each["why"] for each in false).most_common()),
        "delay": {
            behaviour: _delays([e["delay_ms"] for e in episodes if e["found"] and e["behaviour"] == behaviour])
            for behaviour in BEHAVIOURS
        },
        "spent_before_found_usd": {
            behaviour: _money([e["spent_usd"] for e in episodes if e["found"] and e["behaviour"] == behaviour])
            for behaviour in BEHAVIOURS
        },
        "by_detector": {name: _detector(counts) for name, counts in sorted(detectors.items())},
        "false_alerts": false,
    }  # fmt: skip


def _money(dollars: Sequence[float]) -> float | None:
    return round(median(dollars), 2) if dollars else None


def _detector(counts: Counter[str]) -> dict[str, Any]:
    return {**dict(sorted(counts.items())), "precision": _share(counts["found"], counts["found"] + counts["false"])}


def _curve(seeds: Sequence[Sequence[dict[str, Any]]], episodes: int, rate: float) -> dict[str, Any]:
    """A rule over its thresholds, and the best that it does at most at this rate of false alerts."""
    points = []
    for at_threshold in zip(*seeds, strict=True):
        found: Counter[str] = Counter()
        for point in at_threshold:
            found.update(point["found"])
        hits, false = sum(found.values()), sum(point["false"] for point in at_threshold)
        weeks = sum(point["clean_team_weeks"] for point in at_threshold)
        delays = [delay for point in at_threshold for delay in point["delays_ms"]]
        points.append(
            {
                "threshold": at_threshold[0]["threshold"],
                "found": dict(found),
                "recall": hits / episodes if episodes else 0.0,
                "false": false,
                "false_per_clean_team_week": false / weeks,
                "delay": _delays(delays),
                "precision": hits / (hits + false) if hits + false else None,
                "f1": 2 * hits / (2 * hits + false + episodes - hits) if episodes else 0.0,
            }
        )
    within = [point for point in points if point["false_per_clean_team_week"] <= rate]
    return {
        "points": points,
        "best_f1": max(points, key=lambda point: point["f1"]),
        "at_equal_false_alerts": max(within, key=lambda point: point["recall"]) if within else None,
        "false_alerts_allowed": rate,
    }


def table(report: dict[str, Any]) -> str:
    """The report for a reader."""
    lines = [f"{report['scenario']}, {len(report['seeds'])} seeds ({report['purpose']})"]
    if "ours" in report:
        lines += _our_lines(report["ours"])
    for key, title in (("rivals", "plain rivals"), ("fields", "rules of one field, the best of them")):
        if key not in report:
            continue
        lines += ["", f"{title:34s} {'best F1':>8s} {'recall':>7s} {'precision':>9s} {'false/tw':>9s} {'delay h':>8s}   recall at our false alerts"]  # fmt: skip
        ranked = sorted(report[key].items(), key=lambda item: -item[1]["best_f1"]["f1"])
        for name, curve in ranked if key == "rivals" else ranked[:_SHOWN]:
            best, equal = curve["best_f1"], curve["at_equal_false_alerts"]
            lines.append(
                f"{name:34s} {best['f1']:8.2f} {best['recall']:7.2f} {_two(best['precision']):>9s} "
                f"{best['false_per_clean_team_week']:9.3f} {_two(best['delay']['median_hours']):>8s}   "
                f"{_two(equal['recall'] if equal else 0.0)}"
            )
    return "\n".join(lines)


def _our_lines(ours: dict[str, Any]) -> list[str]:
    rate = ours["false_per_clean_team_week"]
    lines = [
        "recall    " + "   ".join(f"{strength} {_interval(ours['recall'][strength])}" for strength in STRENGTHS),
        f"recall by chance, with the labels shuffled {_two(ours['recall_by_chance'])}",
        f"precision {_interval(ours['precision'])}",
        f"false alerts per clean team-week {_two(rate['value'], 4)} {_bounds(rate['interval'], 4)}",
        f"alerts on declared look-alikes {ours['declared_look_alikes_alerted']}",
        "",
        f"{'behaviour':24s} " + " ".join(f"{strength:>9s}" for strength in STRENGTHS) + "   delay h, median and p90   spent before, $",
    ]  # fmt: skip
    for behaviour, by_strength in ours["recall_by_behaviour"].items():
        cells = " ".join(f"{by_strength[s]['hits']:>4d}/{by_strength[s]['n']:<4d}" for s in STRENGTHS)
        delay = ours["delay"][behaviour]
        lines.append(
            f"{behaviour:24s} {cells}   {_two(delay['median_hours']):>12s} {_two(delay['p90_hours']):>10s}   "
            f"{_two(ours['spent_before_found_usd'][behaviour]):>14s}"
        )
    lines += ["", f"{'look-alike':28s} alerts / times"]
    lines += [f"{kind:28s} {said['alerts']:>4d} / {said['n']}" for kind, said in ours["look_alikes"].items()]
    lines += ["", f"{'detector':24s} found  false  neutral"]
    for name, said in ours["by_detector"].items():
        neutral = sum(said.get(worth, 0) for worth in ("repeat", "late", "consequence", "tolerated"))
        lines.append(f"{name:24s} {said.get('found', 0):5d}  {said.get('false', 0):5d}  {neutral:7d}")
    return lines


def _two(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _bounds(interval: Sequence[float] | None, digits: int = 2) -> str:
    return "" if interval is None else f"[{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]"


def _interval(share: dict[str, Any]) -> str:
    return f"{_two(share['value'])} {_bounds(share['interval'])}"
