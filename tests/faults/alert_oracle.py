"""Which alerts must have come out: those of runs that go in circles, as the pure core tells them from the raw log.

What a run shows depends on its partition's usage in log order and on nothing else, as long as nothing is known of its
workflow, so that the load's runs in circles have workflows of their own. Two things are up to the clock, and not expected
to the letter: what is too late, which is taken from the dead letters; and when it is over, which is asked of the last
record. All other verdicts go by days, which close by the clock: of them it is only asked that no record of an alert is
missing, told twice, or out of order (see :mod:`tests.faults.judge`).
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from streams.core.engine import Chunk, Engine
from streams.core.events import UsageDecoder
from streams.core.params import EngineParams
from streams.core.pseudonyms import Pseudonyms
from streams.core.topics import USAGE
from streams.detectors import JUDGES
from streams.state.memory import MemoryStore
from tests.faults.load import LOOPING
from tests.faults.oracle import Rules

__all__ = ["circling"]

_CHUNK: Final = 1_000
#: The load names no actor: no pseudonym is ever made.
_KEY: Final = b"no pseudonym is made with it"


def circling(
    records: Iterable[tuple[int, bytes | None]], partition: int, partition_for: Callable[[str], int], rules: Rules,
    too_late: Iterable[int] = (), config_version: str = "",
) -> list[dict[str, Any]]:  # fmt: skip
    """The first records of the alerts of one partition's (offset, value) pairs, given in log order."""
    params = EngineParams(
        lateness_ms=rules.lateness_ms, grace_ms=rules.grace_ms, far_future_ms=rules.far_future_ms, min_actors=0,
        dedupe_horizon_ms=rules.horizon_ms, request_horizon_ms=rules.horizon_ms, config_version=config_version,
    )  # fmt: skip
    engine = Engine(
        params, MemoryStore(), UsageDecoder(max_record_bytes=rules.max_record_bytes), Pseudonyms(_KEY), partition,
        partition_for, judges=JUDGES,
    )  # fmt: skip
    refused = set(too_late)
    kept = [(offset, value) for offset, value in records if offset not in refused]
    for start in range(0, len(kept), _CHUNK):
        offsets, values = zip(*kept[start : start + _CHUNK], strict=True)
        engine.step(Chunk(USAGE, partition, list(offsets), list(values), offsets[-1] + 1, offsets[0]), rules.now_ms)
    alerts = engine.drain().alerts
    return [msgspec.to_builtins(it) for it in alerts if it.revision == 1 and it.team.startswith(LOOPING)]
