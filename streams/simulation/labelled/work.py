"""A run: its calls, one after the other, with the habits of the team and the failures of the day."""

import math
from random import Random
from typing import Final, NamedTuple

from streams.simulation.labelled.company import Team, Workflow
from streams.simulation.labelled.draws import INPUT_SPREAD, lognormal, output_tokens
from streams.simulation.labelled.effects import ORDINARY, Effect
from streams.simulation.labelled.ledger import Ledger

__all__ = ["Run", "Work", "near"]

#: Tokens that a summary leaves of a conversation.
_SUMMARY: Final = 30_000
_REMEMBERED: Final = 400
#: Of agents' runs, how many wait for something by asking the same a few times; and how many end by hand.
_WAITS: Final = 0.04
_WAITS_LONG: Final = 0.02
_CANCELLED: Final = 0.01
_EVALS: Final = frozenset({"eval-gate", "nightly-evals"})


class Run(NamedTuple):
    """What is known of a run when it ends."""

    team: Team
    workflow: Workflow
    run_id: str
    actor: str | None
    began_ms: int
    ended_ms: int


def near(rng: Random, fingerprint: str, bits: int) -> str:
    """A fingerprint that differs in so many bits: nearly the same prompt."""
    value = int(fingerprint, 16)
    for bit in rng.sample(range(64), bits):
        value ^= 1 << bit
    return f"{value:016x}"


class Work:
    """Makes runs of teams; remembers what each team asked lately, as ordinary people ask again."""

    def __init__(self, rng: Random, ledger: Ledger) -> None:
        self._rng = rng
        self._ledger = ledger
        self._asked: dict[str, list[str]] = {}
        self._suites: dict[str, list[str]] = {}

    def fingerprint(self, team: Team, repeats: float) -> str | None:
        """Of the next prompt: with this probability one that was asked before, or nearly so."""
        if not team.fingerprints:
            return None
        rng = self._rng
        asked = self._asked.setdefault(team.name, [])
        if asked and rng.random() < repeats:
            again = asked[rng.randrange(len(asked))]
            return again if rng.random() < 0.6 else near(rng, again, rng.randrange(1, 7))
        fresh = f"{rng.getrandbits(64):016x}"
        if len(asked) < _REMEMBERED:
            asked.append(fresh)
        else:
            asked[rng.randrange(_REMEMBERED)] = fresh
        return fresh

    def _of_suite(self, team: Team, workflow: Workflow) -> str | None:
        """Evaluations ask the same cases every time."""
        if not team.fingerprints:
            return None
        suite = self._suites.get(workflow.name + team.name)
        if suite is None:
            suite = [f"{self._rng.getrandbits(64):016x}" for _ in range(team.suite)]
            self._suites[workflow.name + team.name] = suite
        return suite[self._rng.randrange(len(suite))]

    def run(
        self, team: Team, workflow: Workflow, at_ms: int, actor: str | None, *, tokens: float, failing: float,
        effect: Effect = ORDINARY, repeats: float | None = None, length: float = 1.0,
    ) -> Run:  # fmt: skip
        """One run that begins at a time; gives what it was."""
        rng, kind, ledger = self._rng, workflow.kind, self._ledger
        run_id, began_ms = f"{rng.getrandbits(64):016x}", at_ms
        calls = min(400, 1 + int(lognormal(rng, kind.length * length, 0.9)))
        failing = min(0.6, failing + effect.failing)
        input_median = kind.input * workflow.context * tokens * effect.context
        model = workflow.model if rng.random() < 0.88 else workflow.second_model
        if effect.premium is not None and rng.random() < 0.4:
            model = effect.premium
        context = int(lognormal(rng, 30_000, 0.6) * workflow.context * effect.context) if kind.conversation else 0
        waits = calls > 3 and kind.trigger != "human" and rng.random() < _WAITS
        repeated = team.repeats if repeats is None else repeats
        attempt, fingerprint, same = 1, None, 0
        untried = workflow.tries > 0 and rng.random() < workflow.tries
        gap = 4.0 if kind.trigger in ("ci", "schedule") else 22.0
        done = 0
        while done < calls or same:
            done += 1
            if attempt == 1 and same == 0:
                if kind.name in _EVALS:
                    fingerprint = self._of_suite(team, workflow)
                else:
                    fingerprint = self.fingerprint(team, repeated)
                if waits and rng.random() < 0.3:
                    same = rng.randrange(15, 50) if rng.random() < _WAITS_LONG else rng.randrange(3, 8)
                    waits = False
            if workflow.constant_sizes and rng.random() < 0.8:
                prompt, output = int(input_median), kind.output
            else:
                prompt = int(lognormal(rng, input_median, INPUT_SPREAD)) + 20
                output = output_tokens(rng, kind.output * tokens)
            if same:
                prompt, output, same = prompt // 8 + 10, output // 8 + 1, same - 1
            failed = rng.random() < failing
            status = "error" if failed else "cancelled" if rng.random() < _CANCELLED else "ok"
            if failed:
                output = 0
            fresh, written = (prompt // 3, prompt - prompt // 3) if kind.conversation else (prompt, 0)
            ledger.write(
                team, workflow, at_ms, actor=actor, run_id=run_id, fresh=fresh, read=context, written=written,
                output=output, fingerprint=fingerprint, status=status, attempt=attempt, model=model, effect=effect, untried=untried,
            )  # fmt: skip
            attempt = attempt + 1 if failed and attempt < 5 else 1
            if kind.conversation:
                context += written + output
                if context > workflow.full * max(1.0, effect.context / 2):
                    context = int(_SUMMARY * effect.context)
            at_ms += 300 + int(1000 * gap * math.exp(rng.gauss(0, 1.1)))
        return Run(team, workflow, run_id, actor, began_ms, at_ms)
