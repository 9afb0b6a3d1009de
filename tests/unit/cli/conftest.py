"""The command line in a test: no variables of the machine's, standard output and standard error apart."""

import os
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from streams.cli import main

Assay = Callable[..., Result]


@pytest.fixture(autouse=True)
def no_assay_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("ASSAY_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def assay() -> Assay:
    """Runs ``assay`` with the arguments given; what is not expected to go wrong is raised."""

    def run(*arguments: object) -> Result:
        return CliRunner(catch_exceptions=False).invoke(main, [str(argument) for argument in arguments])

    return run
