"""Bridges as processes, a receiver of webhooks that can be told to fail, and what Alertmanager shows."""

import json
import threading
import urllib.request
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from confluent_kafka import Producer
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.child import spawn
from deploy.local.properties import free_ports
from streams.core.alerts import Alert
from streams.core.avro import ALERT
from tests.integration.workers import ASSAY

__all__ = ["Bridge", "Receiver", "Request", "publish", "shown", "shown_names"]


def publish(kafka: str, topic: str, alerts: Iterable[Alert]) -> None:
    """Write records as a worker does: Avro, keyed by alert."""
    producer = Producer({"bootstrap.servers": kafka})
    for alert in alerts:
        producer.produce(topic, key=alert.alert_id, value=ALERT.to_avro(alert))
    assert producer.flush(30) == 0


def shown(url: str) -> dict[str, dict[str, Any]]:
    """The alerts that Alertmanager says are active, by alert_id."""
    with urllib.request.urlopen(f"{url}/api/v2/alerts?active=true", timeout=10) as answer:
        found = json.load(answer)
    return {alert["labels"]["alert_id"]: alert for alert in found}


class Bridge:
    """One ``assay forward``, with metrics, its log below ``directory``."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        (self.port,) = free_ports(1)
        self.log = directory / "bridge.log"
        self._killed = False
        with self.log.open("ab") as output:
            self.process = spawn(
                [ASSAY, "forward", *arguments, "--metrics-port", str(self.port)], log=output, dies_with_parent=True
            )

    def metric(self, name: str, **labels: str) -> float | None:
        """A sample's value, None while there is none; fails where the process has ended of itself."""
        code = self.process.poll()
        assert code is None or self._killed, f"the bridge has ended with {code}: {self.log.read_text()[-2_000:]}"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
                text = answer.read().decode()
        except OSError:
            return None
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == name and sample.labels == labels:
                    return sample.value
        return None

    def events(self, name: str) -> list[dict[str, Any]]:
        """The lines of its log with this event."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == name]

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        self.process.terminate()
        return self.process.wait(30)

    def kill(self) -> None:
        """No warning."""
        self._killed = True
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.kill()


class Request(NamedTuple):
    """What was posted."""

    headers: dict[str, str]
    body: bytes


class Receiver:
    """A real HTTP server on this machine; ``answer`` decides the status of each request."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answer: Callable[[Request], int] = lambda _request: 204
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                request = Request({name.lower(): value for name, value in self.headers.items()}, body)
                status = receiver.answer(request)
                if status == 204:
                    receiver.requests.append(request)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hooks/assay"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """No longer there."""
        self._server.shutdown()
        self._server.server_close()


def shown_names(url: str) -> set[str]:
    """The names of the alerts that Alertmanager says are active, whoever told it of them."""
    with urllib.request.urlopen(f"{url}/api/v2/alerts?active=true", timeout=10) as answer:
        return {alert["labels"]["alertname"] for alert in json.load(answer)}
