"""``assay ingest`` over HTTP: one process of it, a client in a process of its own, and a Kafka that acknowledges.

The client is ``python -m tests.bench.ingest OUT.json URL WHAT COUNT CONNECTIONS``: it posts as fast as it is answered, and
tells how long each answer took. The source is that of the tests, so that the figures are those of the way, not of one
system's decoder; bodies of ``large`` are as long as LiteLLM's, and are parsed in full.
"""

import asyncio
import json
import shutil
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson
import yaml

from deploy.local.child import spawn
from deploy.local.properties import free_ports
from streams import topics_admin
from tests.bench.pipeline import topics_under
from tests.bench.process import BenchError, peak_rss_mb, result_of, tail, usage
from tests.ingest_source import event

__all__ = ["main", "measure"]

_BATCH: Final = 100
_TEAMS: Final = 40
#: A full batch of LiteLLM's callback: 512 events of 12.5 kB, most of it a price table.
_LARGE_BATCH: Final = 512
_PRICES: Final = {f"price_of_some_kind_{number}_per_token": number / 1e9 for number in range(295)}
_CONNECTIONS: Final = 4
_WARM: Final = 20
_START_SECONDS: Final = 60.0


def measure(brokers: str, directory: Path, *, batches: int, large: int) -> dict[str, Any]:
    """Batches of a hundred by several clients at once, then large ones by one."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    port, web_port = free_ports(2)
    with topics_under(brokers) as prefix:
        topics_admin.apply(brokers, prefix=prefix, app_id="assay", partitions=4, replication_factor=1)
        config, log_path = directory / "assay.yaml", directory / "ingest.log"
        config.write_text(yaml.safe_dump({
            "brokers": brokers, "topic_prefix": prefix, "data_dir": str(directory / "data"), "insecure_dev_key": True,
            "ingest": {"insecure_no_auth": True, "port": port, "web_port": web_port},
        }))  # fmt: skip
        with log_path.open("wb") as log:
            process = spawn([sys.executable, "-m", "tests.ingest_source", str(config)], log=log, dies_with_parent=True)
        try:
            _wait_until_ready(web_port, log_path)
            url = f"http://127.0.0.1:{port}/test"
            result_of("ingest", url, "small", _WARM, 1, directory=directory / "warm")
            before = usage(process.pid).cpu_s
            small = result_of("ingest", url, "small", batches, _CONNECTIONS, directory=directory / "small")
            between = usage(process.pid).cpu_s
            full = result_of("ingest", url, "large", large, 1, directory=directory / "large")
            after = usage(process.pid).cpu_s
            peak = peak_rss_mb(process.pid)
        finally:
            process.terminate()
            process.wait(30)
    events, full_events = batches * _BATCH, large * _LARGE_BATCH
    return {
        "events": events,
        "events_per_second": round(events / small["seconds"]),
        "events_per_second_per_core": round(events / (between - before)),
        "cpu_us_per_event": round((between - before) * 1e6 / events, 3),
        "p50_ms": small["p50_ms"],
        "p99_ms": small["p99_ms"],
        "connections": _CONNECTIONS,
        "large_body_mb": full["body_mb"],
        "large_cpu_us_per_event": round((after - between) * 1e6 / full_events, 3),
        "large_p50_ms": full["p50_ms"],
        "large_max_ms": full["max_ms"],
        "peak_rss_mb": peak,
    }


def _wait_until_ready(port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                return
        except OSError:
            time.sleep(0.05)
    raise BenchError(f"the service is not ready; {tail(log)}")


async def _post(url: str, bodies: list[bytes], connections: int) -> dict[str, Any]:
    took: list[float] = []
    waiting = list(bodies)

    async def client(session: aiohttp.ClientSession) -> None:
        while waiting:
            body = waiting.pop()
            began = time.perf_counter()
            async with session.post(url, data=body, headers={"Content-Type": "application/json"}) as answer:
                said = orjson.loads(await answer.read())
            took.append((time.perf_counter() - began) * 1e3)
            if answer.status != 200 or said["refused"]:
                raise SystemExit(f"{answer.status}: {str(said)[:300]}")

    began = time.perf_counter()
    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(client(session) for _ in range(connections)))
    seconds = time.perf_counter() - began
    took.sort()
    return {
        "seconds": seconds,
        "p50_ms": round(took[len(took) // 2], 1),
        "p99_ms": round(took[min(len(took) - 1, len(took) * 99 // 100)], 1),
        "max_ms": round(took[-1], 1),
        "body_mb": round(len(bodies[0]) / 1e6, 2),
    }


def _bodies(what: str, count: int) -> list[bytes]:
    if what == "small":
        return [
            orjson.dumps([
                event(f"{batch}-{place}", team=f"team-{place % _TEAMS}", run_id=f"run-{batch}", cost_micro_usd=1_000,
                      request_id=f"msg_{batch}_{place}", provider="anthropic", prompt="a short prompt of some ten words or so")
                for place in range(_BATCH)
            ])
            for batch in range(count)
        ]  # fmt: skip
    return [
        orjson.dumps([
            event(f"l-{batch}-{place}", team=f"team-{place % _TEAMS}", label_prices=_PRICES)
            for place in range(_LARGE_BATCH)
        ])
        for batch in range(count)
    ]  # fmt: skip


def main() -> None:
    """The client."""
    out, url, what, count, connections = sys.argv[1:]
    figures = asyncio.run(_post(url, _bodies(what, int(count)), int(connections)))
    Path(out).write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
