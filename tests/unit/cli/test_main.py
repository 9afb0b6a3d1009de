"""What every command has in common: help, typos, errors and exit codes."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import click
import pytest
from click.testing import Result

from streams.cli import main
from streams.cli.groups import EXIT_CODES, AssayGroup, Lazy
from streams.errors import AssayError, ConfigError, DataError, DependencyError

Assay = Callable[..., Result]


def commands(group: click.Group = main, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command and group, imported, with the words that lead to it."""
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


_ALL = list(commands())


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("path", [(), *(path for path, _ in _ALL)], ids=" ".join)
def test_help_leads_with_examples_and_ends_with_the_exit_codes(path: tuple[str, ...], flag: str, assay: Assay) -> None:
    result = assay(*path, flag)
    assert result.exit_code == 0
    assert result.stdout.startswith("Examples:\n  ")
    assert "assay" in result.stdout.splitlines()[1]
    assert " ".join(result.stdout.split()).endswith(EXIT_CODES)


@pytest.mark.parametrize(
    ("path", "command"), _ALL, ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_the_list_of_commands_says_what_the_commands_say(path: tuple[str, ...], command: click.Command) -> None:
    group: click.Command = main
    for name in path[:-1]:
        assert isinstance(group, AssayGroup)
        group = group.lazy[name].load()
    assert isinstance(group, AssayGroup)
    assert group.lazy[path[-1]].summary == command.get_short_help_str(200)
    assert command.name == path[-1]


def test_help_imports_nothing_slow() -> None:
    program = (
        "import sys\n"
        "from streams.cli import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "print(sorted({'pydantic', 'faust', 'kafka', 'aiokafka', 'numpy', 'rich', 'yaml'} & sys.modules.keys()))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_version_is_shown(assay: Assay) -> None:
    result = assay("--version")
    assert result.exit_code == 0
    assert result.stdout.startswith("assay ")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["wroker"], "did you mean 'worker'?"),
        (["check", "confg"], "did you mean 'config'?"),
        (["topics", "aply"], "did you mean 'apply'?"),
        (["check", "zzz"], "there are config."),
        (["simulate", "--evnts", "3"], "--events"),
    ],
)
def test_a_typo_is_answered_with_the_nearest_name(typed: list[str], meant: str, assay: Assay) -> None:
    result = assay(*typed)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert meant in result.stderr


@pytest.mark.parametrize("path", [[], ["check"], ["topics"], ["import"]], ids=str)
def test_a_group_without_a_command_shows_its_help(path: list[str], assay: Assay) -> None:
    result = assay(*path)
    assert result.exit_code == 2
    assert "Commands:" in result.output


def failing(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make ``assay worker`` a command that raises."""

    def callback() -> None:
        raise error

    monkeypatch.setattr(Lazy, "load", lambda _: click.Command("worker", callback=callback))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (AssayError("the check failed"), 1),
        (click.UsageError("the flag is wrong"), 2),
        (ConfigError("the key is wrong"), 3),
        (DependencyError("Kafka is away"), 4),
        (DataError("the file is broken"), 5),
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_an_expected_error_is_one_sentence_and_its_code(
    error: BaseException, code: int, assay: Assay, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(error, monkeypatch)
    result = assay("worker")
    assert result.exit_code == code
    assert result.stdout == ""
    assert str(error) in result.stderr
    assert "Traceback" not in result.stderr


def test_debug_shows_the_traceback_and_keeps_the_code(assay: Assay, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(DataError("the file is broken"), monkeypatch)
    result = assay("--debug", "worker")
    assert result.exit_code == 5
    assert "Traceback" in result.stderr
    assert result.stderr.endswith("Error: the file is broken\n")


def test_several_problems_are_several_lines(assay: Assay, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(ConfigError("one\ntwo"), monkeypatch)
    assert assay("worker").stderr == "Error: one\n       two\n"


def test_a_bug_is_not_dressed_up(assay: Assay, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(ZeroDivisionError("a bug"), monkeypatch)
    with pytest.raises(ZeroDivisionError):
        assay("worker")


def run_as_program(*arguments: str) -> subprocess.Popen[str]:
    program = "from streams.cli import main; main(prog_name='assay')"
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_ctrl_c_ends_with_130_and_no_traceback() -> None:
    process = run_as_program("simulate", "--rate", "200", "--out", "-")
    assert process.stdout is not None
    assert process.stdout.readline().startswith("{")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "interrupted" in errors
    assert '"records"' in errors
    assert "Traceback" not in errors


def test_a_reader_that_has_enough_is_no_error() -> None:
    process = run_as_program("simulate", "--events", "20000", "--out", "-")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.wait() == 0
