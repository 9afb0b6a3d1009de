"""Progress: on a terminal only, with rich only, and never in colour where colour is not wanted."""

import io
import sys

import pytest

from streams.cli.progress import progress


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_terminal(monkeypatch: pytest.MonkeyPatch) -> _Terminal:
    """Standard error as a terminal; not a fixture, since pytest sets its own standard error after fixtures."""
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm-256color")
    return terminal


def test_nothing_is_drawn_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("replaying", 10) as done:
        done(10)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_shows_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich")
    terminal = on_terminal(monkeypatch)
    with progress("replaying", 10) as done:
        done(10)
    assert "replaying" in terminal.getvalue()


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich")
    terminal = on_terminal(monkeypatch)
    monkeypatch.setenv("NO_COLOR", "1")
    with progress("replaying", None) as done:
        done(10)
    assert "replaying" in terminal.getvalue()
    assert "\x1b[3" not in terminal.getvalue()


def test_rich_is_not_required(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with progress("replaying", 10) as done:
        done(10)
    assert terminal.getvalue() == ""
