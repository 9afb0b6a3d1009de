"""The package loads only what its user needs."""

import subprocess
import sys

import pytest

import streams.producers


def test_every_public_name_is_there() -> None:
    for name in streams.producers.__all__:
        assert getattr(streams.producers, name).__name__ == name


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="KafkaUsageProducer"):
        _ = streams.producers.KafkaUsageProducer


@pytest.mark.parametrize(
    ("wanted", "unwanted"),
    [
        ("UsageFields", {"kafka", "aiokafka", "faust", "prometheus_client", "rocksdict"}),
        ("UsageProducer", {"aiokafka", "faust", "prometheus_client", "rocksdict"}),
        ("AsyncUsageProducer", {"kafka", "faust", "prometheus_client", "rocksdict"}),
    ],
)
def test_a_program_loads_only_the_client_it_uses(wanted: str, unwanted: set[str]) -> None:
    code = f"import sys\nfrom streams.producers import {wanted}\nprint(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not unwanted & set(loaded)
