"""The sensor counts rebalances when they begin, and costs a message nothing."""

import faust
from faust.sensors import Sensor

from streams.clock import FixedClock
from streams.telemetry.exposition import render
from streams.telemetry.registry import Telemetry
from streams.telemetry.sensor import RebalanceSensor


def test_a_rebalance_counts_when_it_begins_and_lasts_until_it_ends() -> None:
    app = faust.App("sensor-test", broker="memory://")
    telemetry = Telemetry(FixedClock(0), version="1")
    sensor = RebalanceSensor(telemetry)
    app.sensors.add(sensor)
    seen = [sensor.rebalancing]
    app.on_rebalance_start()
    seen.append(sensor.rebalancing)
    assert b"assay_rebalances_total 1.0" in render(telemetry)
    app.on_rebalance_end()
    seen.append(sensor.rebalancing)
    assert seen == [False, True, False]
    assert b"assay_rebalances_total 1.0" in render(telemetry)


def test_no_hook_of_a_message_is_overridden() -> None:
    per_message = ("on_message_in", "on_message_out", "on_stream_event_in", "on_stream_event_out", "on_send_initiated")
    for hook in per_message:
        assert getattr(RebalanceSensor, hook) is getattr(Sensor, hook)
