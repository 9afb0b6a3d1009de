"""The faults, one scenario each: what is done to the workers, the broker or the disk while records flow."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from streams.shards.crashpoints import CrashPoint
from tests.faults.arena import Arena
from tests.faults.workers import Worker

__all__ = ["CONTROL", "SCENARIOS", "Scenario", "Unavailable", "crashes", "delete_one_store", "pause_worker"]

#: The scenario in which nothing is done.
CONTROL: Final = "none"
_READY_S: Final = 60.0
#: How often workers are killed at random: a few more than the 20 that are asked for, as one may strike a dead worker.
_RANDOM_KILLS: Final = 22
_SMALL_DISK_MB: Final = 192
#: Share of the load after which a fault that waits for its moment waits no longer.
_LAST_SHARE: Final = 0.8


class Unavailable(Exception):
    """This machine cannot bring the fault about; the message says why."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One fault. ``inflict`` does it to a running arena and returns how many times; ``seconds`` is how long the load
    flows; ``prepare`` runs before the workers start."""

    name: str
    inflict: Callable[[Arena], int]
    seconds: float
    needs_broker: bool = False
    settings: dict[str, str] = field(default_factory=dict)
    prepare: Callable[[Arena], None] = lambda arena: None


def _nothing(arena: Arena) -> int:
    time.sleep(5)
    return 0


def crashes(point: CrashPoint, times: int, seconds: float) -> Scenario:
    """Workers that kill themselves at a point of their n-th transaction, and crash again once restarted."""

    def plan(arena: Arena) -> None:
        arena.supervisor.crash_plan.extend(f"{point}:{arena.rng.randrange(3, 25)}" for _ in range(times))

    def wait(arena: Arena) -> int:
        # A transaction without records has no offsets: a quick worker is done before its n-th.
        arena.feeder.drip()
        for number in range(1, times + 1):
            arena.wait(lambda least=number: arena.supervisor.self_crashes() >= least, 60, f"crash {number}")  # type: ignore[misc]
            arena.struck()
        return arena.supervisor.self_crashes()

    return Scenario(f"kill -9 at {point}", wait, seconds, prepare=plan)


def _kill_at_random(arena: Arena) -> int:
    """At random times: soon after everyone is ready, or in the midst of recovery; now and then both workers at once."""
    for number in range(_RANDOM_KILLS):
        if arena.rng.random() < 0.6:
            arena.supervisor.wait_until_ready(12)
        arena.rest(0.1, 2)
        victims = arena.supervisor.workers if number % 7 == 6 else [arena.rng.choice(arena.supervisor.workers)]
        arena.struck()
        for victim in victims:
            victim.kill()
    killed = sum(exit_.code == -signal.SIGKILL for exit_ in arena.supervisor.exits)
    if killed < _RANDOM_KILLS - 2:
        arena.problems.append(f"only {killed} of {_RANDOM_KILLS} kills struck a living worker")
    return killed


def _stop_in_transaction(arena: Arena, worker: Worker) -> None:
    """Freeze a worker that has a transaction open; as the load comes to its end, at whatever time that is."""
    while True:
        worker.signal(signal.SIGSTOP)
        before = arena.watch.open_transactions()
        time.sleep(0.2)
        # The others' transactions come and go; one that stays as it was is the frozen worker's.
        caught = before.items() & arena.watch.open_transactions().items()
        if caught or arena.feeder.share > _LAST_SHARE:
            arena.struck()
            return
        worker.signal(signal.SIGCONT)
        arena.rest(0.02, 0.2)


def pause_worker(arena: Arena, times: int = 4) -> int:
    """Longer than the session: the others take its shards over, then it wakes in the middle of a transaction."""
    for number in range(times):
        worker = arena.supervisor.workers[number % 2]
        arena.rest(0.5, 1.5)
        _stop_in_transaction(arena, worker)
        time.sleep(9)
        worker.signal(signal.SIGCONT)
        arena.wait(lambda: arena.supervisor.wait_until_ready(1), _READY_S, "ready after a pause")
    # One that hears from the group first, and gives the shard up before its transaction fails, is stopped by that.
    if times > 1 and not arena.supervisor.events()["shard_fenced"]:
        arena.problems.append("no stale owner was fenced")
    return times


def _outlast_transaction(arena: Arena) -> int:
    """Longer than a transaction may take, within the session: the coordinator aborts it, the owner stays the same."""
    for worker in arena.supervisor.workers:
        arena.rest(0.5, 1.5)
        _stop_in_transaction(arena, worker)
    time.sleep(40)
    for worker in arena.supervisor.workers:
        worker.signal(signal.SIGCONT)
    return len(arena.supervisor.workers)


def _pause_broker(arena: Arena) -> int:
    arena.rest(3, 5)
    arena.struck()
    arena.broker.pause()
    time.sleep(30)
    arena.broker.resume()
    arena.rest(5, 6)
    return 1


def _restart_broker(arena: Arena) -> int:
    """Once in order, once by kill -9."""
    arena.rest(3, 5)
    arena.struck()
    arena.broker.restart()
    arena.wait(lambda: arena.supervisor.wait_until_ready(1), _READY_S, "ready after the broker's restart")
    arena.rest(3, 5)
    arena.struck()
    arena.broker.kill()
    time.sleep(3)
    arena.broker.start()
    arena.wait(lambda: arena.supervisor.wait_until_ready(1), _READY_S, "ready after the broker's kill")
    return 2


def _storm(arena: Arena) -> int:
    """A third worker that joins and leaves, in order or not, every two seconds."""
    supervisor = arena.supervisor
    third = supervisor.add()[0]
    rounds = 8
    for number in range(rounds):
        # Long enough, at times, to be given shards; the group waits for whoever was killed until its session ends.
        arena.rest(1.5, 7)
        arena.struck()
        supervisor.down(third, signal.SIGKILL if number % 2 else signal.SIGTERM)
        time.sleep(2)
        supervisor.up(third)
    return 2 * rounds


@contextmanager
def _stopped(arena: Arena, worker: Worker) -> Iterator[Path]:
    """A worker's data directory while the worker is dead."""
    arena.struck()
    arena.supervisor.down(worker)
    yield worker.data
    arena.supervisor.up(worker)
    arena.wait(lambda: arena.supervisor.wait_until_ready(1), _READY_S, "ready after a restart")


def delete_one_store(arena: Arena) -> int:
    """Of a dead worker."""
    arena.rest(3, 4)
    with _stopped(arena, arena.supervisor.workers[0]) as data:
        shutil.rmtree(data)
    return 1


def _delete_stores(arena: Arena) -> int:
    """Of a dead worker, of both at once, and of a living one."""
    first, second = arena.supervisor.workers
    delete_one_store(arena)
    arena.rest(1, 2)
    with _stopped(arena, first) as data, _stopped(arena, second) as other:
        shutil.rmtree(data)
        shutil.rmtree(other)
    arena.rest(1, 2)
    arena.struck()
    shutil.rmtree(second.data, ignore_errors=True)
    arena.rest(2, 3)
    with _stopped(arena, second):
        pass
    return 4


def _older_store(arena: Arena) -> int:
    """Each worker gets a copy of its own store back that is some seconds, and many transactions, old."""
    arena.rest(3, 4)
    for worker in arena.supervisor.workers:
        backup = arena.directory / f"backup-of-{worker.name}"
        with _stopped(arena, worker) as data:
            shutil.copytree(data, backup)
        arena.rest(5, 7)
        with _stopped(arena, worker) as data:
            shutil.rmtree(data)
            shutil.copytree(backup, data)
        arena.rest(1, 2)
    return 2


def _corrupt_store(arena: Arena) -> int:
    """Bytes overwritten in data files, in the write-ahead log, in the manifest; and a file that vanished."""
    first, second = arena.supervisor.workers
    arena.rest(4, 5)
    with _stopped(arena, first):  # Opening again writes the log out into data files.
        pass
    done = 0
    for worker, pattern in ((first, "*.sst"), (second, "*.log"), (first, "MANIFEST-*"), (second, "CURRENT")):
        arena.rest(3, 4)
        with _stopped(arena, worker) as data:
            files = [path for path in data.glob(f"*/shard-*/{pattern}") if path.stat().st_size]
            for path in files:
                path.unlink() if pattern == "CURRENT" else _overwrite(path)
            done += bool(files)
    if done < 4:
        arena.problems.append(f"only {done} of 4 kinds of files were there to be corrupted")
    # RocksDB loops for ever over some garbage in a write-ahead log. The worker then ends itself, and rebuilds the store
    # when it is started again: an end that is expected here, and nowhere else.
    arena.allowed_exits.add(1)
    return done


def _overwrite(path: Path) -> None:
    """Every third block of 64 bytes, from the middle on."""
    content = bytearray(path.read_bytes())
    for start in range(len(content) // 2, len(content), 192):
        end = min(start + 64, len(content))
        content[start:end] = os.urandom(end - start)
    path.write_bytes(content)


def _small_disk(arena: Arena) -> None:
    if sys.platform != "linux" or os.geteuid() != 0:
        raise Unavailable("mounting a small file system needs root on Linux")
    data = arena.directory / "worker-2"
    data.mkdir(parents=True, exist_ok=True)
    options = f"size={_SMALL_DISK_MB}m"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(data)], capture_output=True, check=False
    )
    if mounted.returncode:
        raise Unavailable(f"a small file system could not be mounted: {mounted.stderr.decode().strip()}")
    arena.at_exit.callback(subprocess.run, ["umount", "--lazy", str(data)], check=False)


def _fill_disk(arena: Arena) -> int:
    """The worker must end with 4 and a sentence; with room again it goes on."""
    supervisor = arena.supervisor
    worker = supervisor.workers[1]
    arena.rest(4, 5)
    arena.struck()
    worker.wanted = False
    filler = worker.data / "filler"
    # Never the machine's own disk, whatever became of the mount.
    assert worker.data.is_mount()
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        for _ in range(_SMALL_DISK_MB << 4):
            file.write(b"x" * (1 << 16))
    arena.wait(lambda: not worker.alive, 60, "the worker's end on a full disk")
    arena.wait(lambda: any(exit_.worker == worker.name for exit_ in supervisor.exits), 5, "the note of its end")
    ends = [exit_ for exit_ in supervisor.exits if exit_.worker == worker.name]
    if not ends or ends[-1].code != 4 or not ends[-1].last_words.startswith("Error: "):
        arena.problems.append(
            f"on a full disk the worker ended with {ends[-1:] or 'nothing'}, not with 4 and a sentence"
        )
    arena.allowed_exits.add(4)
    filler.unlink()
    supervisor.up(worker)
    arena.wait(lambda: supervisor.wait_until_ready(1), _READY_S, "ready with room again")
    return 1


SCENARIOS: Final = (
    Scenario(CONTROL, _nothing, 6),
    *(crashes(point, 4, 22) for point in CrashPoint),
    Scenario("kill -9 at random", _kill_at_random, 110),
    Scenario("worker paused beyond its session", pause_worker, 50),
    Scenario(
        "workers paused beyond a transaction",
        _outlast_transaction,
        10,
        settings={"ASSAY_SESSION_TIMEOUT_SECONDS": "90"},
    ),
    Scenario("broker paused for 30 s", _pause_broker, 30, needs_broker=True),
    Scenario("broker restarted", _restart_broker, 30, needs_broker=True),
    Scenario("rebalance storm", _storm, 60),
    Scenario("local store deleted", _delete_stores, 40),
    Scenario("local store replaced by an older copy", _older_store, 40),
    Scenario("local store corrupted", _corrupt_store, 45),
    Scenario("disk full", _fill_disk, 20, prepare=_small_disk),
)
