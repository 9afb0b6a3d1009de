"""A worker that watches itself: ``python -m tests.bench.sampled OUT.json worker ...``, for ``run.py --sample``.

While the file ``OUT.on`` exists, a timer of CPU time interrupts the main thread, which then notes where it is and where
all other threads are, and charges each with the CPU time that its own clock has moved since; waiting costs nothing.
CPU spent inside a call into C appears in the Python line that made the call. A thread that would have to be given the
interpreter's lock first would see only where that lock is let go, hence the signal; threads other than the main one
are seen that way nevertheless. Looking costs a few percent: shares mean more than sums.
"""

import json
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Final

__all__ = ["main"]

#: The kernel rounds it up to its own tick.
_LOOK_SECONDS: Final = 0.002
_WAIT_SECONDS: Final = 0.02
_TOP: Final = 60
_ROOTS: Final = ("site-packages/", "lib/python3", "streams/")


class _Thread:
    """What one thread was seen doing: CPU microseconds by line, by function, and by function with all it called."""

    def __init__(self, clock: int) -> None:
        self.clock = clock
        self.cpu_s = time.clock_gettime(clock)
        self.lines: Counter[str] = Counter()
        self.own: Counter[str] = Counter()
        self.total: Counter[str] = Counter()

    def charge(self, frame: FrameType) -> None:
        cpu_s = time.clock_gettime(self.clock)
        spent, self.cpu_s = int((cpu_s - self.cpu_s) * 1e6), cpu_s
        if not spent:
            return
        self.lines[f"{_name(frame)}:{frame.f_lineno}"] += spent
        self.own[_name(frame)] += spent
        callers: set[str] = set()
        at: FrameType | None = frame
        while at is not None:
            callers.add(_name(at))
            at = at.f_back
        for name in callers:
            self.total[name] += spent


class Sampler:
    """Notes of all threads; :meth:`look` is the handler of the timer's signal."""

    def __init__(self) -> None:
        self._threads: dict[int, _Thread] = {}

    def look(self, _signal: int, frame: FrameType | None) -> None:
        """Charge every thread with what it has spent since the last look."""
        me = threading.get_ident()
        for ident, other in sys._current_frames().items():
            where = frame if ident == me else other
            try:
                if ident not in self._threads:
                    self._threads[ident] = _Thread(time.pthread_getcpuclockid(ident))
                elif where is not None:
                    self._threads[ident].charge(where)
            except (OSError, OverflowError):
                continue  # it has ended

    def report(self) -> dict[str, object]:
        """Seconds of CPU by thread, and within it by function and line; most first."""
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        return {
            names.get(ident, str(ident)): {
                "cpu_seconds": thread.own.total() / 1e6,
                **{
                    kind: {name: spent / 1e6 for name, spent in getattr(thread, kind).most_common(_TOP)}
                    for kind in ("own", "lines", "total")
                },
            }
            for ident, thread in sorted(self._threads.items(), key=lambda item: -item[1].own.total())
        }


def _name(frame: FrameType) -> str:
    code = frame.f_code
    if code.co_filename == "<string>" and frame.f_back is not None:
        return f"{_name(frame.f_back)} making a named tuple"
    path = code.co_filename
    for root in _ROOTS:
        if root in path:
            path = path.partition(root)[2]
            break
    return f"{path}:{code.co_qualname}"


def _sample_while(switch: Path, sampler: Sampler, out: Path) -> None:
    while not switch.exists():
        time.sleep(_WAIT_SECONDS)
    signal.setitimer(signal.ITIMER_PROF, _LOOK_SECONDS, _LOOK_SECONDS)
    while switch.exists():
        time.sleep(_WAIT_SECONDS)
    signal.setitimer(signal.ITIMER_PROF, 0)
    out.write_text(json.dumps(sampler.report(), indent=1))


def main() -> None:
    """Be ready to sample, then be the worker."""
    out = Path(sys.argv.pop(1))
    sampler = Sampler()
    signal.signal(signal.SIGPROF, sampler.look)
    signal.siginterrupt(signal.SIGPROF, False)
    waiting = (out.with_suffix(".on"), sampler, out)
    threading.Thread(target=_sample_while, args=waiting, name="sampler", daemon=True).start()
    from streams.cli import main as assay

    assay()


if __name__ == "__main__":
    main()
