"""Fixtures every test may use, and how examples are found.

Property tests give the same verdict every time: examples follow from the test alone, not from chance or the clock.
``HYPOTHESIS_PROFILE=search`` looks for new examples instead, others with each run.
"""

import os
import shutil
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from deploy import kernel
from deploy.local.broker import local_kafka

_BUILD = Path(__file__).parents[1] / "build"
# How long an example takes on a busy machine says nothing about the code.
settings.register_profile(
    "assay", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "assay"))


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """Bootstrap servers of a real Kafka: that of ASSAY_BROKERS, or one of our own for the session."""
    directory = _BUILD / f"test-kafka-{os.getpid()}"
    with local_kafka(directory) as bootstrap:
        yield bootstrap
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def topic_prefix() -> str:
    """A prefix no other test uses, so that tests can share a broker."""
    return f"test-{uuid.uuid4().hex[:12]}."


def pytest_configure() -> None:
    """Let what tests start hear Ctrl-C: a job in the background of a script ignores it, and so would all below it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionstart() -> None:
    """Refuse to test a compiled core that is older than its sources: Python prefers it to them."""
    if kernel.compiled() and not kernel.up_to_date():
        pytest.exit("the compiled core is older than its sources: run `make kernel`", returncode=4)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever asks for a broker needs a broker: the marker follows from the fixture."""
    for item in items:
        if "kafka" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.kafka)
