"""The benchmark of LiteLLM works; what it measures is not judged here."""

from tests.bench.bench_litellm import measure


def test_a_quick_run_measures_every_form() -> None:
    found = measure(rounds=1, events=3)
    assert all(value > 0 for figures in found.values() for value in figures.values())
    assert found["events"]["bytes_per_event"] > 10 * found["events_of_our_logger"]["bytes_per_event"]
