"""Real client programs, each in an environment of its own under build/clients (`make test-clients`)."""

from pathlib import Path

import pytest

CLIENTS = Path(__file__).parents[2] / "build" / "clients"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs what `make test-clients` installs."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.clients)


@pytest.fixture(scope="session")
def litellm_program() -> Path:
    """LiteLLM's proxy."""
    program = CLIENTS / "litellm" / "bin" / "litellm"
    if not program.exists():
        pytest.skip(f"{program} is not there: run `make test-clients`")
    return program
