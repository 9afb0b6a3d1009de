"""``python -m deploy.local``: a local Apache Kafka in the background."""

import sys
from pathlib import Path

import click

from deploy.local import background
from streams.errors import AssayError

_directory = click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("build/kafka"),
    show_default=True,
    help="Where its data, configuration and log live.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def local() -> None:
    """A local Apache Kafka for development: no Docker, no installed Java."""


@local.command()
@_directory
@click.option("--heap-mb", type=click.IntRange(min=256), default=512, show_default=True, help="Java heap.")
def start(directory: Path, heap_mb: int) -> None:
    """Start it and print its address, or the address of the one that runs."""
    click.echo(background.start(directory, heap_mb=heap_mb).bootstrap)


@local.command()
@_directory
def stop(directory: Path) -> None:
    """Stop it; its data stays for the next start."""
    click.echo("stopped" if background.stop(directory) else "not running", err=True)


@local.command()
@_directory
def status(directory: Path) -> None:
    """Print its address; exit code 1 when it does not run."""
    state = background.running(directory)
    if state is None:
        click.echo("not running", err=True)
        sys.exit(1)
    click.echo(state.bootstrap)


def main() -> None:
    """Run a command; an expected failure is one message and its exit code."""
    try:
        local.main(prog_name="python -m deploy.local")
    except AssayError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
