"""How our commands look and fail: examples first, the nearest name on a typo, one sentence and a code on an error."""

import os
import sys
import traceback
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any, Final, TypeVar

import click

from streams.errors import AssayError

__all__ = ["CONTEXT_SETTINGS", "EXIT_CODES", "INTERRUPTED", "AssayCommand", "AssayGroup", "Lazy", "command"]

CONTEXT_SETTINGS: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
EXIT_CODES: Final = (
    "Exit codes: 0 ok, 1 findings or a failed check, 2 usage, 3 configuration invalid, 4 dependency unavailable, "
    "5 data invalid, 130 interrupted."
)
#: What shells report for a program ended by Ctrl-C.
INTERRUPTED: Final = 130

_F = TypeVar("_F", bound=Callable[..., Any])


class Lazy:
    """A subcommand that is imported when it is used: ``module:attribute``, and the line shown in the list."""

    def __init__(self, target: str, summary: str) -> None:
        self.target = target
        self.summary = summary

    def load(self) -> click.Command:
        """Import the command."""
        module, _, attribute = self.target.partition(":")
        found: click.Command = getattr(import_module(module), attribute)
        return found


class _Help(click.Command):
    """Help that leads with examples and closes with the exit codes."""

    examples: tuple[str, ...] = ()

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.examples:
            with formatter.section("Examples"):
                for line in self.examples:
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")
            formatter.write_paragraph()
        super().format_help(ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_paragraph()
        formatter.write_text(EXIT_CODES)


class AssayCommand(_Help):
    """A command; ``examples`` are whole command lines."""

    def __init__(self, *args: Any, examples: tuple[str, ...] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples


def command(name: str, *, examples: tuple[str, ...]) -> Callable[[_F], AssayCommand]:
    """Decorator: a command with examples and ``-h``."""
    return click.command(name, cls=AssayCommand, examples=examples, context_settings=CONTEXT_SETTINGS)


class AssayGroup(_Help, click.Group):
    """A group of lazily imported subcommands.

    The outermost group turns what is expected to go wrong into one sentence on standard error and the error's exit
    code; ``--debug`` adds the traceback. What is not expected keeps its traceback: it is a bug.
    """

    def __init__(self, *args: Any, lazy: Mapping[str, Lazy], examples: tuple[str, ...] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = lazy
        self.examples = examples

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, in the order they are declared in."""
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now; None if there is none of that name."""
        lazy = self.lazy.get(cmd_name)
        return lazy.load() if lazy else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, but a typo is answered with the nearest name."""
        name = args[0]
        if name not in self.lazy and not name.startswith("-"):
            near = get_close_matches(name, self.lazy, n=1, cutoff=0.5)
            hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(self.lazy)}."
            ctx.fail(f"no such command '{name}'; {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of subcommands, without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.summary) for name, lazy in self.lazy.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run, and end with the right code."""
        if ctx.parent is not None:
            return super().invoke(ctx)
        try:
            return super().invoke(ctx)
        except AssayError as error:
            if ctx.params.get("debug"):
                traceback.print_exc()
            click.echo(f"Error: {_indented(str(error))}", err=True)
            ctx.exit(error.exit_code)
        except (KeyboardInterrupt, click.Abort):
            click.echo("interrupted", err=True)
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:
            # The reader has what it wanted (`| head`); Python must not fail again on flushing at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(0)


def _indented(message: str) -> str:
    return "\n       ".join(message.splitlines())
