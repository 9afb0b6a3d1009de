"""Writes calls as usage events, prices them, and remembers what later decisions need: totals by person and by day."""

from collections import defaultdict
from random import Random
from typing import Any, Final

import orjson

from streams.simulation.labelled.company import COSTLESS, Team, Workflow
from streams.simulation.labelled.effects import ORDINARY, Effect
from streams.simulation.labelled.keys import ATTEMPT
from streams.simulation.prices import MODELS, Model

__all__ = ["DAY_MS", "HOUR_MS", "WEEK_MS", "Ledger", "Repricing"]

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
WEEK_MS: Final = 7 * DAY_MS
_MILLION: Final = 1_000_000
#: Of records, how many are delivered twice, and how many bear an identity that another has.
_TWICE: Final = 0.002
_COLLIDES: Final = 0.0002
#: A model that no price book has, and for which no source reports a cost.
_UNPRICED: Final = "frontier-preview-exp"
#: How far a wrong price is off: a unit mistaken, or a discount nobody entered.
_WRONG: Final = 0.4


class Repricing:
    """A provider's new price of one model: factor ``by`` from ``from_ms`` on, for everybody."""

    def __init__(self, model: str, from_ms: int, by: float) -> None:
        self.model, self.from_ms, self.by = model, from_ms, by


class Ledger:
    """Usage events of all teams, in no order yet.

    Rows are (time, number, record without identity, with which others it shares one). Identities are given after
    sorting, so that none tells when in the writing a record was thought of.
    """

    def __init__(self, rng: Random, start_ms: int, end_ms: int, repricing: Repricing | None) -> None:
        self.rows: list[tuple[int, int, bytes, str | None]] = []
        #: By team and day: micro-dollars.
        self.spend: defaultdict[tuple[str, int], int] = defaultdict(int)
        #: By person and week: calls and tokens.
        self.calls: defaultdict[tuple[str, int], int] = defaultdict(int)
        self.tokens: defaultdict[tuple[str, int], int] = defaultdict(int)
        #: All that was ever spent, micro-dollars.
        self.paid = 0
        self._rng = rng
        self._start_ms, self._end_ms = start_ms, end_ms
        self._repricing = repricing

    def write(
        self, team: Team, workflow: Workflow, at_ms: int, *, actor: str | None, run_id: str | None, fresh: int, read: int,
        written: int, output: int, fingerprint: str | None, status: str = "ok", attempt: int = 1, model: str | None = None,
        trigger: str | None = None, effect: Effect = ORDINARY, untried: bool = False,
    ) -> int:  # fmt: skip
        """Write one call; gives its cost in micro-dollars. Nothing outside of the ten weeks is written."""
        if not self._start_ms <= at_ms < self._end_ms:
            return 0
        rng = self._rng
        used = MODELS[model or workflow.model]
        cost = self._cost(used, at_ms, fresh, read, written, output)
        reported = None if workflow.tool in COSTLESS or not used.priced else round(cost * workflow.discount)
        name, collides = used.name, None
        if effect.broken and rng.random() < effect.broken:
            way = effect.way
            if way == "silent":
                return 0
            if way == "coverage":
                run_id = actor = None
            elif way == "unpriced":
                name, reported = _UNPRICED, None
            elif way == "divergence":
                reported = round(cost * _WRONG)
            elif way == "collisions":
                collides = f"{team.name} {workflow.source}"
        elif rng.random() < team.without_run:
            run_id = None
        if untried:
            name, reported = _UNPRICED, None
        if collides is None and rng.random() < _COLLIDES:
            collides = f"{team.name} {workflow.source}"
        fields: dict[str, Any] = {
            "source": workflow.source, "occurred_at": at_ms, "team": team.name, "workflow": workflow.name,
            "tool": workflow.tool, "provider": used.provider, "model": name, "input_tokens": fresh,
            "cache_read_tokens": read, "cache_write_tokens": written, "output_tokens": output,
            "trigger": trigger or workflow.trigger,
        }  # fmt: skip
        if actor is not None:
            fields["actor"] = actor
            week = (at_ms - self._start_ms) // WEEK_MS
            self.calls[actor, week] += 1
            self.tokens[actor, week] += fresh + read + written + output
        if run_id is not None:
            fields["run_id"] = run_id
        if reported is not None:
            fields["cost_micro_usd"] = reported
        if status != "ok":
            fields["status"] = status
        else:
            fields["request_id"] = f"req_{rng.getrandbits(64):016x}"
        if fingerprint is not None:
            fields["prompt_fingerprint"] = fingerprint
        if attempt > 1:
            fields["attributes"] = {ATTEMPT: str(attempt)}
        self.paid += cost
        self.spend[team.name, (at_ms - self._start_ms) // DAY_MS] += cost
        self.rows.append((at_ms, len(self.rows), orjson.dumps(fields), collides))
        return cost

    def _cost(self, model: Model, at_ms: int, fresh: int, read: int, written: int, output: int) -> int:
        cost = fresh * model.input + read * model.cache_read + written * model.cache_write + output * model.output
        new = self._repricing
        if new is not None and new.model == model.name and at_ms >= new.from_ms:
            cost = round(cost * new.by)
        return cost // _MILLION

    def identified(self, rng: Random) -> list[bytes]:
        """The records in order of time, each with an identity; that of a colliding one was given before."""
        self.rows.sort()
        last: dict[str, str] = {}
        lines = []
        for _, _, line, collides in self.rows:
            identity = f"{rng.getrandbits(96):024x}"
            if collides is not None:
                identity = last.get(collides, identity)
                last[collides] = identity
            elif rng.random() < 0.2:
                event = orjson.loads(line)
                last[f"{event['team']} {event['source']}"] = identity
            lines.append(b'{"event_id":"' + identity.encode() + b'",' + line[1:])
            if rng.random() < _TWICE:
                lines.append(lines[-1])
        return lines
