"""The package loads only what its user needs."""

import subprocess
import sys

import pytest

import streams.subscribers
from streams.errors import DependencyError
from streams.subscribers import BrokerUnavailable


def test_every_public_name_is_there() -> None:
    for name in streams.subscribers.__all__:
        assert getattr(streams.subscribers, name).__name__ == name


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="AlertReader"):
        _ = streams.subscribers.AlertReader


def test_a_broker_that_is_away_ends_a_command_as_a_dependency() -> None:
    assert issubclass(BrokerUnavailable, DependencyError)


@pytest.mark.parametrize(
    ("wanted", "unwanted"),
    [
        ("verify_signature", {"kafka", "aiokafka", "faust", "aiohttp", "prometheus_client", "rocksdict", "pydantic"}),
        ("AlertSubscriber", {"aiohttp", "aiokafka", "faust", "mode", "prometheus_client", "rocksdict", "pydantic"}),
        ("KpiSubscriber", {"aiohttp", "aiokafka", "faust", "mode", "prometheus_client", "rocksdict", "pydantic"}),
    ],
)
def test_a_program_loads_only_what_it_uses(wanted: str, unwanted: set[str]) -> None:
    code = f"import sys\nfrom streams.subscribers import {wanted}\nprint(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not unwanted & set(loaded)


def test_a_subscriber_without_a_group_is_refused_before_it_connects() -> None:
    with pytest.raises(ValueError, match="group is empty: name the consumer group"):
        streams.subscribers.AlertSubscriber("127.0.0.1:1", group="")
