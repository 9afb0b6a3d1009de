"""Crash points do nothing unless the environment asks, and then kill as the kernel would."""

import os
import signal
import subprocess
import sys

import pytest

from streams.shards.crashpoints import CrashPoint, crossing_from


def killed_at(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], passes: int = 4
) -> list[tuple[CrashPoint, int]]:
    """The points and passes at which the process would have been killed."""
    kills: list[tuple[CrashPoint, int]] = []
    cross = crossing_from(environ)
    for number in range(1, passes + 1):
        for point in CrashPoint:

            def kill(pid: int, sign: int, here: tuple[CrashPoint, int] = (point, number)) -> None:
                assert (pid, sign) == (os.getpid(), signal.SIGKILL)
                kills.append(here)

            monkeypatch.setattr(os, "kill", kill)
            cross(point)
    return kills


def test_the_points_are_the_steps_of_a_transaction_in_order() -> None:
    """The fault suite names them."""
    assert list(CrashPoint) == ["begun", "sent", "offsets", "delivered", "committed", "stored", "acked"]


@pytest.mark.parametrize("environ", [{}, {"ASSAY_CRASH_AT": ""}, {"OTHER": "begun:1"}])
def test_nothing_happens_unless_asked_for(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]) -> None:
    """Whatever is passed, however often."""
    assert killed_at(monkeypatch, environ) == []


@pytest.mark.parametrize("point", list(CrashPoint))
@pytest.mark.parametrize(("count", "first"), [("", 1), (":1", 1), (":3", 3)])
def test_the_process_is_killed_at_the_nth_pass(
    monkeypatch: pytest.MonkeyPatch, point: CrashPoint, count: str, first: int
) -> None:
    """Of that point and no other; had it survived, at each one after."""
    kills = killed_at(monkeypatch, {"ASSAY_CRASH_AT": f"{point}{count}"})
    assert kills == [(point, number) for number in range(first, 5)]


@pytest.mark.parametrize(("wanted", "wrong"), [("nowhere", "nowhere"), ("begun:often", "often"), ("begun:2:3", "2:3")])
def test_an_unknown_point_is_an_error(wanted: str, wrong: str) -> None:
    """A fault suite that kills nothing would prove nothing."""
    with pytest.raises(ValueError, match=wrong):
        crossing_from({"ASSAY_CRASH_AT": wanted})


def test_the_kill_cannot_be_caught() -> None:
    """No clean-up runs: the exit is that of SIGKILL."""
    program = (
        "import os\n"
        "from streams.shards.crashpoints import CrashPoint, crossing_from\n"
        "try:\n"
        "    crossing_from(os.environ)(CrashPoint.SENT)\n"
        "finally:\n"
        "    print('cleaned up')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "ASSAY_CRASH_AT": "sent"}, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, b"")
