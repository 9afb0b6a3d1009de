"""The composition root: settings in, a wired Faust app out. Wires, decides nothing."""

import asyncio
import gc
import os
import signal
import socket
import threading
import uuid
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final, cast

import faust
import structlog
from aiokafka.partitioner import murmur2
from faust.assignor.partition_assignor import PartitionAssignor
from faust.types import TP

from streams import topics_admin
from streams.agents.usage import KafkaReader, declare_agent
from streams.clock import SystemClock
from streams.condition import Condition, Reporter
from streams.core import topics
from streams.core.avro import ALERT, DEAD_LETTER, KPI
from streams.core.engine import Chunk
from streams.core.events import UsageDecoder, schema_ids
from streams.core.outcomes import OutcomeDecoder
from streams.core.pseudonyms import Pseudonyms
from streams.core.schemas import schema_text
from streams.detectors import JUDGES
from streams.engine_params import EngineSetup, engine_setup
from streams.errors import AssayError, ConfigError, DependencyError
from streams.exclusive import exclusive
from streams.logging import configure_logging
from streams.registry import SchemaRegistry
from streams.settings import Settings, pseudonym_key
from streams.shards.context import ShardContext
from streams.shards.crashpoints import crossing_from
from streams.shards.outputs import Encoders, Names
from streams.shards.ownership import Ownership
from streams.shards.standby import standby_partitions
from streams.shards.tables import window_tables
from streams.state.rocks import RocksBudget
from streams.telemetry.registry import Telemetry
from streams.telemetry.sensor import RebalanceSensor
from streams.topics_plan import ChangeKind
from streams.transport import SCHEME, ShardTableManager, register
from streams.web.routes import mount

__all__ = ["WorkerApp", "run_worker"]

log = structlog.get_logger(__name__)

#: Writer schemas of one chunk that the registry is asked for.
_SCHEMAS_A_CHUNK: Final = 64
#: A stop that takes longer is not going to end by itself.
_STOP_SECONDS: Final = 20.0
_HEARTBEATS_A_SESSION: Final = 5
#: How long a fenced shard rests before it is taken over again, at the least: long enough for whoever fenced it wrongly,
#: after a freeze, to hear from the group that it is out, at its next heartbeat.
_FENCED_PAUSE_S: Final = 5.0


class WorkerApp:
    """Everything one worker process is made of. ``failure`` is set once an error only a person can mend stops it."""

    def __init__(self, settings: Settings, setup: EngineSetup) -> None:
        self.settings = settings
        self.failure: AssayError | None = None
        self.names = Names(settings.topic_prefix, settings.app_id)
        self.inputs = [self.names.of(topics.USAGE), self.names.of(topics.OUTCOMES)]
        self.clock = SystemClock()
        self._setup = setup
        self.telemetry = Telemetry(
            self.clock, version=_version(), topics=self.inputs, max_series=settings.metrics.max_series
        )
        self.registry = SchemaRegistry(settings.schema_registry_url) if settings.schema_registry_url else None
        self.app = _faust_app(settings, self.names)
        self._budget = RocksBudget(settings.state.block_cache_mb, settings.state.write_buffer_mb)
        self._reader = KafkaReader(self.app, self.inputs)
        self.ownership = Ownership(
            self._context(), self._reader, self.fail,
            self._ensure_schemas if self.registry else lambda chunk: None,
        )  # fmt: skip
        sensor = RebalanceSensor(self.telemetry)
        self.app.sensors.add(sensor)
        self.condition = Condition(self.ownership, sensor, self._budget, self._lag)
        self.telemetry.read_from(self.condition.readings)
        mount(self.app, self.telemetry, self.condition)
        declare_agent(self.app, self.inputs, self.ownership)
        tables = self.app.tables
        assert isinstance(tables, ShardTableManager)
        tables.on_assigned = self._assigned
        tables.positions = self._positions
        tables.on_failed = self._fetching_failed
        for table in window_tables(self.ownership):
            tables.show(table)
        self.app.on_before_shutdown.connect(self._before_shutdown)

    def fail(self, error: AssayError) -> None:
        """Stop the worker for an error that only a person can mend."""
        if self.failure is None:
            self.failure = error
            self.condition.stopping_reason = str(error)
            log.error("worker_stops", reason=str(error))
            _stop_this_process(error.exit_code)

    def _context(self) -> ShardContext:
        settings = self.settings
        partitions = settings.partitions
        return ShardContext(
            brokers=settings.brokers,
            names=self.names,
            group=self.app.conf.id,
            data_dir=settings.data_dir,
            exactly_once=settings.processing_guarantee == "exactly_once",
            params=self._setup.params,
            judges=JUDGES,
            prices=self._setup.prices,
            decoder=UsageDecoder(self.registry, max_record_bytes=settings.max_record_bytes),
            outcome_decoder=OutcomeDecoder(self.registry, max_record_bytes=settings.max_record_bytes),
            pseudonyms=Pseudonyms(pseudonym_key(settings)),
            encoders=_encoders(settings, self.names),
            partition_for=lambda team: (murmur2(team.encode()) & 0x7FFFFFFF) % partitions,
            budget=self._budget,
            clock=self.clock,
            observer=Reporter(self.telemetry),
            cross=crossing_from(os.environ),
            commit_interval_s=settings.commit_interval_ms / 1000,
            commit_max_events=settings.commit_max_events,
            poison_max_share=settings.dead_letters.max_share,
            poison_window=settings.dead_letters.window,
            fenced_pause_s=max(_FENCED_PAUSE_S, 1.5 * settings.session_timeout_seconds / _HEARTBEATS_A_SESSION),
        )

    async def _assigned(self, assigned: set[TP], generation: int) -> None:
        """Follow an assignment: which shards to run, and of which to keep a copy."""
        active = {place.partition for place in assigned if place.topic in self.inputs}
        owners = {
            url: {number for numbers in places.values() for number in numbers}
            for url, places in cast(PartitionAssignor, self.app.assignor).external_topics_metadata().items()
        }
        me = str(self.app.conf.canonical_url)
        standby = standby_partitions(owners, me, self.settings.standby_replicas)
        log.info("assigned", generation=generation, active=sorted(active), standby=sorted(standby - active))
        await self.ownership.reconcile(active, standby)
        self.condition.assigned = True

    def _fetching_failed(self, error: Exception) -> None:
        self.fail(DependencyError(f"nothing can be read from Kafka any more: {error!r}; mend what it names, and "
                                  "start the worker again"))  # fmt: skip

    async def _before_shutdown(self, *_args: Any, **_kwargs: Any) -> None:
        self.condition.stopping_reason = self.condition.stopping_reason or "asked to stop"
        await self.ownership.stop()
        if self.registry is not None:
            await self.registry.close()

    def _positions(self) -> dict[TP, int]:
        running = self.ownership.running.items()
        return {TP(topic, number): at for number, shard in running for topic, at in shard.next_offsets.items()}

    def _lag(self) -> int:
        lag = 0
        for partition, shard in self.ownership.running.items():
            for topic, position in shard.next_offsets.items():
                lag += max(0, (self._reader.end(topic, partition) or 0) - position)
                lag += shard.waiting
        return lag

    def _ensure_schemas(self, chunk: Chunk) -> "asyncio.Future[None] | None":
        assert self.registry is not None
        # Garbage that begins with a NUL names a random schema each: only so many are asked for, the others are unknown.
        # A registry counts up from 1, so that its own ids come before nearly all of those.
        ids = sorted(self.registry.unsettled(schema_ids(chunk.values)))[:_SCHEMAS_A_CHUNK]
        return asyncio.ensure_future(self.registry.ensure(ids)) if ids else None


def _encoders(settings: Settings, names: Names) -> Encoders:
    """Avro in the registry's wire format where there is a registry, in single-object encoding elsewhere; or JSON."""
    if settings.output_format == "json":
        return Encoders(KPI.to_json, DEAD_LETTER.to_json, ALERT.to_json)
    if settings.schema_registry_url is None:
        return Encoders(KPI.to_avro, DEAD_LETTER.to_avro, ALERT.to_avro)
    kpi, letter, alert = asyncio.run(_registered(settings.schema_registry_url, names))
    return Encoders(
        lambda it: KPI.to_confluent(it, kpi), lambda it: DEAD_LETTER.to_confluent(it, letter),
        lambda it: ALERT.to_confluent(it, alert),
    )  # fmt: skip


async def _registered(url: str, names: Names) -> tuple[int, int, int]:
    async with SchemaRegistry(url) as registry:
        kpi = await registry.register(f"{names.of(topics.KPIS)}-value", schema_text("kpi"))
        letter = await registry.register(f"{names.of(topics.DEAD_LETTERS)}-value", schema_text("dead_letter"))
        return kpi, letter, await registry.register(f"{names.of(topics.ALERTS)}-value", schema_text("alert"))


def _check_topics(settings: Settings) -> None:
    """Refuse to start without topics, or with other partition counts than the settings say."""
    changes = topics_admin.plan(
        settings.brokers,
        prefix=settings.topic_prefix,
        app_id=settings.app_id,
        partitions=settings.partitions,
        replication_factor=settings.replication_factor,
    )
    missing = [change.topic for change in changes if change.kind is ChangeKind.CREATE]
    if missing:
        raise DependencyError(f"topics are missing: {', '.join(missing)}; create them with `assay topics apply`")
    if changes:
        wrong = "; ".join(map(str, changes))
        raise ConfigError(f"topics are not as they must be ({wrong}); mend them with `assay topics apply`")


def _check_port(settings: Settings) -> None:
    """Refuse a port that somebody listens on: Faust would say so with a traceback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.web_host, settings.web_port))
        except OSError as error:
            where = f"{settings.web_host}:{settings.web_port}"
            raise DependencyError(
                f"web_port: cannot listen on {where} ({error.strerror}); choose another port, or 0 for a free one"
            ) from error


def _faust_app(settings: Settings, names: Names) -> faust.App:
    register()
    port = settings.web_port or _free_port(settings.web_host)
    return faust.App(
        f"{names.prefix}{names.app_id}",
        broker=f"{SCHEME}://" + ";".join(settings.brokers.split(",")),
        store="memory://",
        datadir=settings.data_dir,
        autodiscover=False,
        TableManager=ShardTableManager,
        topic_disable_leader=True,
        topic_allow_declare=False,
        topic_partitions=settings.partitions,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=4 << 20,
        consumer_group_instance_id=settings.instance_id or None,
        broker_session_timeout=settings.session_timeout_seconds,
        broker_heartbeat_interval=settings.session_timeout_seconds / _HEARTBEATS_A_SESSION,
        broker_request_timeout=max(90.0, settings.session_timeout_seconds + 10),
        # Chunks, not records: 32 of them are at most 64,000 records.
        stream_buffer_maxsize=32,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        web_enabled=True,
        web_bind=settings.web_host,
        web_host=socket.gethostname(),
        web_port=port,
        # Unauthenticated pages of Faust that would serve state.
        web_tables_enabled=False,
        web_router_enabled=False,
        web_metrics_enabled=False,
        # Assignments name workers by it: unique a process, or a worker for life, which gets its old assignment back.
        canonical_url=f"http://{socket.gethostname()}:{port}/{settings.instance_id or uuid.uuid4().hex}",
    )


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _version() -> str:
    try:
        return version("assay")
    except PackageNotFoundError:
        return "unknown"


def _stop_this_process(exit_code: int) -> None:
    """Ask for an orderly stop, and end the process if that does not come to an end."""
    timer = threading.Timer(_STOP_SECONDS, os._exit, (exit_code,))
    timer.daemon = True
    timer.start()
    os.kill(os.getpid(), signal.SIGTERM)


def run_worker(settings: Settings) -> int:
    """Run a worker until it is stopped; gives the exit code. Raises AssayError on what only a person can mend."""
    configure_logging(settings.log_level, settings.log_format)
    pseudonym_key(settings)
    # Before anything is asked of Kafka: a policy or price book that cannot be read must not wait for a broker to say so.
    setup = engine_setup(settings)
    _check_topics(settings)
    _check_port(settings)
    with exclusive(settings.data_dir / f"{settings.topic_prefix}{settings.app_id}"):
        return _run(WorkerApp(settings, setup))


def _run(built: WorkerApp) -> int:
    settings = built.settings
    worker = faust.Worker(built.app, loglevel=settings.log_level, override_logging=False, redirect_stdouts=False,
                          quiet=True)  # fmt: skip
    # It writes a terminal's escape codes between the lines of the log, terminal or not.
    worker.spinner = None
    # What exists now lives for ever: keep the collector off it. Events are freed by reference count alone, so the
    # collector may look at the rest rarely; together this saves a fifth of all CPU.
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    code = _exit_code_of(worker)
    if built.failure is not None:
        raise built.failure
    return code


def _exit_code_of(worker: faust.Worker) -> int:
    """Run to the end; mode ends every worker with SystemExit."""
    try:
        worker.execute_from_commandline()
    except SystemExit as ended:
        return int(ended.code or 0)
