"""The benchmark of OTLP works; what it measures is not judged here."""

from tests.bench.bench_otlp import measure


def test_a_quick_run_measures_every_kind_of_body() -> None:
    found = measure(rounds=1, records=3)
    assert all(value > 0 for figures in found.values() for value in figures.values())
