"""KPIs and alerts of files put onto their topics, as a worker would have published them: for demos, tests and benchmarks."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from aiokafka.partitioner import murmur2
from kafka import KafkaProducer
from kafka.errors import KafkaError

from streams.core.alerts import Alert
from streams.core.avro import ALERT, KPI
from streams.core.kpis import Kpi
from streams.core.topics import ALERTS, KPIS
from streams.errors import DependencyError
from streams.published import read_alert_lines, read_lines
from streams.shards.outputs import kpi_key

__all__ = ["load_files", "load_records"]

_PARTITIONS: Final = 4


def load_files(brokers: str, prefix: str, kpis: Path, alerts: Path) -> int:
    """Lines of JSON, as ``assay replay`` writes them; gives the number of records."""
    with kpis.open("rb") as kpi_lines, alerts.open("rb") as alert_lines:
        return load_records(
            brokers, prefix, read_lines(kpi_lines, str(kpis)), read_alert_lines(alert_lines, str(alerts))
        )


def load_records(brokers: str, prefix: str, kpis: Iterable[Kpi], alerts: Iterable[Alert]) -> int:
    """Records in their order, each team in a partition of its own. Raises DependencyError."""
    try:
        producer = KafkaProducer(bootstrap_servers=brokers, acks="all", linger_ms=20, batch_size=256 * 1024)
        sent: list[Any] = [
            producer.send(prefix + KPIS, key=kpi_key(kpi), value=KPI.to_avro(kpi), partition=_home(kpi.team))
            for kpi in kpis
        ]
        sent += [
            producer.send(
                prefix + ALERTS, key=alert.alert_id.encode(), value=ALERT.to_avro(alert), partition=_home(alert.team)
            )
            for alert in alerts
        ]
        producer.flush()
        for each in sent:
            each.get(timeout=0)
        producer.close()
    except KafkaError as error:
        raise DependencyError(f"Kafka at {brokers} does not take the history: {error!r}") from error
    return len(sent)


def _home(team: str) -> int:
    home: int = (murmur2(team.encode()) & 0x7FFFFFFF) % _PARTITIONS
    return home
