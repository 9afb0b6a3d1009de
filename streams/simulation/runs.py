"""A run of a workflow: a burst of calls that share tool, model and person, written as JSON by template.

Building bytes by template instead of encoding a dict is what makes the simulation fast enough to saturate a worker.
It stays exact JSON because every text in it is drawn from our own tables of plain ASCII.
"""

import math
from random import Random
from statistics import NormalDist
from typing import Final

from streams.simulation.company import Workflow

__all__ = ["BITS", "Run"]

#: Random bits one call consumes: 64 of choices (16 of them the log's), 64 of request id, 96 of id, 16 of the log's.
BITS: Final = 240
_MASK_12: Final = (1 << 12) - 1
_MASK_64: Final = (1 << 64) - 1
_MASK_96: Final = (1 << 96) - 1

#: Quantiles of lognormals in thousandths, so that drawing one is an index. The far quantiles are the heavy tail:
#: one call in 4,096 is some 40 times the median.
_QUANTILES: Final = [NormalDist().inv_cdf((k + 0.5) / 4096) for k in range(4096)]
_PROMPT: Final = [round(1000 * math.exp(1.0 * q)) for q in _QUANTILES]
_OUTPUT: Final = [round(1000 * math.exp(1.1 * q)) for q in _QUANTILES]

#: Of 4,096 calls: errors (2 %), cancelled (0.4 %), without a reported cost (3 %; unpriced models add some 2 %).
_ERRORS: Final = 82
_CANCELLED: Final = _ERRORS + 16
_COSTLESS: Final = 123
#: Sources that see the prompt and fingerprint it.
_FINGERPRINTING: Final = frozenset({"native", "litellm", "langfuse", "claude-code"})
#: Tokens at which an agent compacts its conversation, and what remains of it.
_CONTEXT_LIMIT: Final = 160_000
_CONTEXT_KEPT: Final = 18_000


class Run:
    """One run; :meth:`call` gives its next event.

    Attributes:
        team: Key of its records.
        left: Calls still to come.
        workflow: What it is a run of.
        run_id: Its name in its records.
        actor: Who is behind it; None where nobody says.
        began_ms: When it began.
    """

    __slots__ = (
        "_actor_and_run", "_context", "_fingerprint", "_head", "_model", "_tail", "actor", "began_ms", "left", "run_id",
        "team", "workflow",
    )  # fmt: skip

    def __init__(self, rng: Random, workflow: Workflow, calls: int, began_ms: int) -> None:
        kind = workflow.kind
        model = workflow.models[0] if rng.random() < 0.8 else workflow.models[1]
        self.actor = actor = self._actor(rng, workflow)
        self.run_id = run_id = f"run-{rng.getrandbits(48):012x}"
        # Only what differs from the default is written, as real producers do.
        operation = "" if kind.output else '"operation":"embedding",'
        attributes = f'"attributes":{{"repo":"{workflow.repository}"}},' if kind.trigger == "ci" else ""
        self.team = workflow.team
        self.left = calls
        self.began_ms = began_ms
        self.workflow = workflow
        self._model = model
        self._fingerprint = rng.getrandbits(64) if workflow.source in _FINGERPRINTING else 0
        # A conversation begins with a system prompt that an earlier run has already put into the provider's cache.
        self._context = rng.randrange(6_000, 24_000) if kind.conversation else 0
        self._head = f'","source":"{workflow.source}","occurred_at":'
        self._actor_and_run = (
            f',"team":"{workflow.team}","workflow":"{workflow.name}",'
            + (f'"actor":"{actor}",' if actor else "")
            + f'"run_id":"{run_id}",'
        )
        self._tail = (
            f'"tool":"{workflow.tool}","provider":"{model.provider}","model":"{model.name}",'
            f'{operation}"trigger":"{kind.trigger}",{attributes}"input_tokens":'
        )

    @staticmethod
    def _actor(rng: Random, workflow: Workflow) -> str | None:
        trigger = workflow.kind.trigger
        if trigger in ("human", "agent"):
            # Some people use a tool far more than others.
            return workflow.actors[int(len(workflow.actors) * rng.random() ** 2)]
        return f"svc-{workflow.team}" if rng.random() < 0.4 else None

    def call(self, occurred_at_ms: int, bits: int) -> str:
        """The next event as one line of JSON; ``bits`` are BITS random bits."""
        kind = self.workflow.kind
        model = self._model
        choice = bits & _MASK_12
        output = kind.output * _OUTPUT[bits >> 12 & _MASK_12] // 1000
        prompt = kind.prompt * _PROMPT[bits >> 24 & _MASK_12] // 1000
        mixed = bits >> 36 & _MASK_12
        cancelled = False
        cache_read = cache_write = 0
        fresh = prompt
        if choice < _CANCELLED:
            if choice < _ERRORS:
                return self._failed(occurred_at_ms, bits)
            cancelled = True
            output >>= 1
        if kind.conversation:
            cache_read = self._context
            cache_write = prompt
            fresh = mixed & 63
            self._context = cache_read + prompt + output
            if self._context > _CONTEXT_LIMIT:
                self._context = _CONTEXT_KEPT
        self.left -= 1
        text = (
            f'{{"event_id":"{bits >> 128 & _MASK_96:024x}{self._head}{occurred_at_ms}{self._actor_and_run}'
            f'"request_id":"req_{bits >> 64 & _MASK_64:016x}",{self._tail}{fresh}'
        )
        if cache_read:
            text += f',"cache_read_tokens":{cache_read},"cache_write_tokens":{cache_write}'
        if output:
            text += f',"output_tokens":{output}'
            if model.reasons:
                text += f',"reasoning_tokens":{output * mixed >> 13}'
        if model.priced and (choice < _CANCELLED or choice >= _CANCELLED + _COSTLESS):
            cost = (
                fresh * model.input
                + cache_read * model.cache_read
                + cache_write * model.cache_write
                + output * model.output
                + 500_000
            ) // 1_000_000
            text += f',"cost_micro_usd":{cost}'
        if cancelled:
            text += ',"status":"cancelled"'
        if self._fingerprint:
            # Calls of a run resemble each other: near-equal fingerprints, a few bits apart.
            text += f',"prompt_fingerprint":"{self._fingerprint ^ (1 << (mixed & 63)):016x}"'
        return text + "}"

    def _failed(self, occurred_at_ms: int, bits: int) -> str:
        """A call the provider refused: nothing consumed, nothing charged, no request id."""
        self.left -= 1
        return (
            f'{{"event_id":"{bits >> 128 & _MASK_96:024x}{self._head}{occurred_at_ms}{self._actor_and_run}'
            f'{self._tail}0,"cost_micro_usd":0,"status":"error"}}'
        )
