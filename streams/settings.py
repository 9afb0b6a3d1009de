"""Settings: what an operator may choose, checked once at start and frozen.

Precedence: command-line flag, then environment (``ASSAY_...``, sections joined by ``__``), then the YAML file, then the
default. Unknown keys are errors wherever they stand. Everything wrong is reported at once, as one ConfigError.
"""

import os
from collections.abc import Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from streams.core.pseudonyms import MIN_KEY_BYTES
from streams.errors import ConfigError
from streams.settings_layers import (
    ENV_PREFIX,
    Layer,
    broker_addresses,
    defaults_of,
    flatten,
    http_url,
    is_service_link,
    nest,
    read_yaml,
    unknown_variables,
)
from streams.settings_problems import problems_of
from streams.settings_sections import (
    AlertmanagerSettings,
    ConsoleSettings,
    DeadLetterSettings,
    DedupeSettings,
    ForwardSettings,
    IngestSettings,
    MetricSettings,
    OutcomeSettings,
    PriceSettings,
    StateSettings,
    WebhookSettings,
    WindowSettings,
)

__all__ = ["DEV_PSEUDONYM_KEY", "Origin", "Settings", "load_settings", "origins", "pseudonym_key"]

#: The key behind ``insecure_dev_key``: published here, so it protects nobody.
DEV_PSEUDONYM_KEY = b"assay-development-key-protects-nobody"

#: A window and the tolerance between sources, beyond the grace.
_HORIZON_MARGIN_SECONDS = 3_600

#: The file's values while Settings is being built: sources of pydantic-settings take no arguments of ours.
_file_values: ContextVar[Mapping[str, Any] | None] = ContextVar("_file_values", default=None)


class Origin(NamedTuple):
    """Where an effective value came from: the kind of layer, and the flag, variable or file by name."""

    kind: Literal["flag", "env", "file", "default"]
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}" if self.name else self.kind


class Settings(BaseSettings):
    """All settings, frozen. Build with :func:`load_settings`, which names origins in its errors."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        # Charts and compose files render an unset option as an empty variable.
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    brokers: Annotated[str, AfterValidator(broker_addresses)] = "127.0.0.1:9092"
    """Kafka bootstrap servers, host:port separated by commas."""
    app_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,99}$")] = "assay"
    """Consumer group, prefix of transactional ids and of the changelog topic."""
    topic_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,100}$")] = ""
    """Put before every topic name, to keep environments apart on one cluster."""
    partitions: Annotated[int, Field(ge=1, le=10_000)] = 4
    """Partitions of the input topics and the changelog; fixed once topics exist."""
    replication_factor: Annotated[int, Field(ge=1, le=16)] = 1
    """Copies of each topic partition."""
    data_dir: Annotated[Path, AfterValidator(Path.expanduser)] = Path("assay-data")
    """Directory of the local stores; rebuilt from the changelog when lost."""
    processing_guarantee: Literal["exactly_once", "at_least_once"] = "exactly_once"
    """exactly_once by Kafka transactions; at_least_once is for brokers without them."""
    output_format: Literal["avro", "json"] = "avro"
    """Encoding of published records."""
    schema_registry_url: Annotated[str, AfterValidator(http_url)] | None = None
    """Confluent-compatible registry; without one Avro is single-object encoded."""
    instance_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,200}$")] = ""
    """A worker's name for life, unique in the group: a restart within the session then moves no partition."""
    standby_replicas: Annotated[int, Field(ge=0, le=9)] = 1
    """Other workers that keep a warm copy of each partition's state."""
    web_host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """Address of health and metrics; there is no login."""
    web_port: Annotated[int, Field(ge=0, le=65_535)] = 6066
    """Port of health and metrics; 0 takes a free one."""
    session_timeout_seconds: Annotated[float, Field(ge=2, le=300)] = 20.0
    """Silence after which the group gives a worker's, or a bridge's, partitions to others."""
    commit_interval_ms: Annotated[int, Field(ge=1, le=10_000)] = 100
    """Longest time between two transactions of a busy partition."""
    commit_max_events: Annotated[int, Field(ge=1, le=1_000_000)] = 20_000
    """Events after which a transaction is committed early."""
    pseudonym_key: SecretStr | None = None
    """Key of the pseudonyms of actors, at least 16 bytes; prefer pseudonym_key_file."""
    pseudonym_key_file: Annotated[Path, AfterValidator(Path.expanduser)] | None = None
    """File that holds the key of the pseudonyms; a trailing newline is dropped."""
    insecure_dev_key: bool = False
    """Use a published key for pseudonyms: development and demos only."""
    policy: Annotated[Path, AfterValidator(Path.expanduser)] | None = None
    """Policy file: what is known about teams and workflows, in YAML."""
    max_record_bytes: Annotated[int, Field(ge=1_024, le=64 * 1_048_576)] = 1_048_576
    """Longer input records are dead-lettered."""
    windows: WindowSettings = WindowSettings()
    """When windows close."""
    dedupe: DedupeSettings = DedupeSettings()
    """How long identities are remembered."""
    outcomes: OutcomeSettings = OutcomeSettings()
    """How far back outcomes reach."""
    prices: PriceSettings = PriceSettings()
    """What tokens cost."""
    dead_letters: DeadLetterSettings = DeadLetterSettings()
    """When too much is rejected."""
    state: StateSettings = StateSettings()
    """Memory of the local store."""
    metrics: MetricSettings = MetricSettings()
    """Bounds of the metrics."""
    ingest: IngestSettings = IngestSettings()
    """The service that receives what other systems post."""
    console: ConsoleSettings = ConsoleSettings()
    """The pages for people."""
    forward: ForwardSettings = ForwardSettings()
    """What the bridges have in common."""
    alertmanager: AlertmanagerSettings = AlertmanagerSettings()
    """The bridge to Alertmanager."""
    webhook: WebhookSettings = WebhookSettings()
    """The bridge to a webhook."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe log line shown."""
    log_format: Literal["auto", "json", "console"] = "auto"
    """auto: console on a terminal, JSON lines otherwise."""

    @model_validator(mode="after")
    def _one_pseudonym_key(self) -> "Settings":
        given = [name for name in ("pseudonym_key", "pseudonym_key_file", "insecure_dev_key") if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are given together; keep exactly one of them")
        return self

    @model_validator(mode="after")
    def _ids_outlive_the_grace(self) -> "Settings":
        # An event is taken until its window's grace has passed: forgotten before that, its copy would count again.
        for name, days in (
            ("horizon_days", self.dedupe.horizon_days), ("request_horizon_days", self.dedupe.request_horizon_days),
        ):  # fmt: skip
            if days * 86_400 < self.windows.grace_seconds + _HORIZON_MARGIN_SECONDS:
                raise ValueError(
                    f"dedupe.{name} ({days}) ends before windows.grace_seconds ({self.windows.grace_seconds}) has "
                    "passed, and copies would count twice; make it at least a day longer than the grace"
                )
        return self

    @model_validator(mode="after")
    def _windows_outlive_the_grace(self) -> "Settings":
        if (self.outcomes.horizon_days - 1) * 86_400 < self.windows.grace_seconds:
            raise ValueError(
                f"outcomes.horizon_days ({self.outcomes.horizon_days}) ends before windows.grace_seconds "
                f"({self.windows.grace_seconds}) has passed, and late events would find their windows gone; make it at "
                "least a day longer than the grace"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, environment, file; no dotenv and no secrets directory, so that there is one place per layer."""
        environment = EnvSettingsSource(settings_cls)
        environment.env_vars = {k: v for k, v in environment.env_vars.items() if not is_service_link(k, v)}
        return init_settings, environment, InitSettingsSource(settings_cls, dict(_file_values.get() or {}))


def load_settings(config: Path | None = None, overrides: Mapping[str, object] | None = None) -> Settings:
    """The effective settings of a file, the environment and flags.

    ``config`` falls back to ``ASSAY_CONFIG``. ``overrides`` are flags by dotted key (``windows.lateness_seconds``);
    None means not given. Raises ConfigError with one line per problem, each naming key, origin and fix.
    """
    path = _config_path(config)
    layers = _layers(path, overrides)
    problems = unknown_variables(Settings, os.environ)
    token = _file_values.set(nest(layers[2].values))
    try:
        settings = Settings(**nest(layers[0].values))
    except ValidationError as error:
        problems += problems_of(Settings, error, layers)
    finally:
        _file_values.reset(token)
    if problems:
        raise ConfigError("\n".join(problems))
    return settings


def origins(config: Path | None = None, overrides: Mapping[str, object] | None = None) -> dict[str, Origin]:
    """Where each effective value came from, by dotted key, in the order of the model."""
    layers = _layers(_config_path(config), overrides)
    found: dict[str, Origin] = {}
    for key in defaults_of(Settings):
        layer = next((layer for layer in layers if key in layer.values), None)
        found[key] = Origin(layer.kind, layer.name_of(key)) if layer else Origin("default", "")
    return found


def pseudonym_key(settings: Settings) -> bytes:
    """The key of the pseudonyms, from whichever setting names it.

    Raises ConfigError when there is none, when it is short, or when its file cannot be read.
    """
    if settings.insecure_dev_key:
        return DEV_PSEUDONYM_KEY
    if settings.pseudonym_key is not None:
        key, name = settings.pseudonym_key.get_secret_value().encode(), "pseudonym_key"
    elif settings.pseudonym_key_file is not None:
        name = "pseudonym_key_file"
        try:
            key = settings.pseudonym_key_file.read_bytes().rstrip(b"\r\n")
        except OSError as error:
            raise ConfigError(
                f"pseudonym_key_file: cannot read {settings.pseudonym_key_file} ({error.strerror}); "
                "give a file this user may read"
            ) from error
    else:
        raise ConfigError(
            "no key for the pseudonyms of actors: set pseudonym_key_file to a file with at least "
            f"{MIN_KEY_BYTES} random bytes (openssl rand -hex 32), or insecure_dev_key: true for development"
        )
    if len(key) < MIN_KEY_BYTES:
        raise ConfigError(f"{name}: the key has {len(key)} bytes; give at least {MIN_KEY_BYTES}")
    return key


def _config_path(config: Path | None) -> Path | None:
    if config is not None:
        return config
    named = os.environ.get(f"{ENV_PREFIX}CONFIG", "")
    return Path(named) if named else None


def _layers(path: Path | None, overrides: Mapping[str, object] | None) -> tuple[Layer, Layer, Layer]:
    """Flags, environment and file as flat layers, strongest first."""
    environment = Settings.settings_customise_sources(Settings, *[InitSettingsSource(Settings, {})] * 4)[1]
    try:
        from_env = environment()
    except SettingsError as error:
        raise ConfigError(
            f"a section in the environment is not JSON ({error}); set its keys one by one, "
            f"as in {ENV_PREFIX}WINDOWS__LATENESS_SECONDS=60"
        ) from error
    flags = {key: value for key, value in flatten(overrides or {}).items() if value is not None}
    file = read_yaml(path) if path is not None else {}
    return Layer("flag", "", flags), Layer("env", "", flatten(from_env)), Layer("file", str(path or ""), flatten(file))
