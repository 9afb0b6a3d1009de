"""The layers that settings are read from: names, flat keys, the YAML file, and what in them is not ours."""

import re
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import yaml
from pydantic import BaseModel

from streams.errors import ConfigError
from streams.settings_problems import ENV_PREFIX, env_name, flag_name, unknown_key

__all__ = [
    "ENV_PREFIX",
    "Layer",
    "broker_addresses",
    "defaults_of",
    "flatten",
    "header_name",
    "http_url",
    "http_urls",
    "is_service_link",
    "nest",
    "read_yaml",
    "receiver_url",
    "unknown_variables",
    "url_path",
]

#: Variables of ours that are not settings: the file with the settings, and the fault suite's switch
#: (streams.shards.crashpoints), which nobody should set by a file.
_NOT_SETTINGS: Final = frozenset({f"{ENV_PREFIX}CONFIG", f"{ENV_PREFIX}CRASH_AT"})
#: Kubernetes sets these for a Service called ``assay`` or ``assay-...``; they would read as unknown settings, and
#: ``ASSAY_WEB_PORT=tcp://10.0.0.1:80`` of a Service ``assay-web`` even as a wrong one.
_SERVICE_LINK: Final = re.compile(
    r"(_SERVICE_(HOST|PORT)(_[A-Z0-9_]+)?|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$"
)
_LINK_URL: Final = re.compile(r"(tcp|udp|sctp)://")
_BROKER: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})")


class Layer(NamedTuple):
    """One source of values: flat, by dotted key."""

    kind: Literal["flag", "env", "file"]
    file: str
    values: dict[str, Any]

    def name_of(self, key: str) -> str:
        """How the operator spelled the key in this layer, or which file it stands in."""
        if self.kind == "file":
            return self.file
        return flag_name(key) if self.kind == "flag" else env_name(key)


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one mapping by dotted key; empty mappings vanish."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def nest(values: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of :func:`flatten`. A key that is both a value and a section keeps the value, which is then invalid."""
    nested: dict[str, Any] = {}
    for dotted, value in values.items():
        at = nested
        *sections, leaf = dotted.split(".")
        for section in sections:
            at = at.setdefault(section, {})
            if not isinstance(at, dict):
                break
        else:
            at[leaf] = value
    return nested


def defaults_of(model: type[BaseModel], prefix: str = "") -> dict[str, Any]:
    """The default of every setting, by dotted key, in the order of the model."""
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        if isinstance(field.default, BaseModel):
            found |= defaults_of(type(field.default), f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = field.default
    return found


class _StrictLoader(yaml.SafeLoader):
    """Refuses a key given twice, of which YAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key, _ in node.value:
            # A key that is no scalar holds a list; whatever it is, it is no setting, and reported as such.
            name = str(key.value)
            if name in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {name!r} is given twice", problem_mark=key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a configuration file; an empty file is an empty mapping. Raises ConfigError."""
    try:
        with path.open("rb") as file:
            values = yaml.load(file, _StrictLoader)  # noqa: S506  (a SafeLoader)
    except OSError as error:
        raise ConfigError(f"cannot read the configuration file {path} ({error.strerror}); check --config") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        problem = getattr(error, "problem", None) or "it is not text"
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"the configuration file {path}{where} is not valid YAML: {problem}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"the configuration file {path} holds a {type(values).__name__}; write 'key: value' lines")
    return {str(key): value for key, value in values.items()}


def is_service_link(name: str, value: str | None) -> bool:
    """Whether a variable was set by Kubernetes for a Service, not by the operator for us."""
    return bool(_SERVICE_LINK.search(name.upper()) or _LINK_URL.match(value or ""))


def unknown_variables(model: type[BaseModel], environ: Mapping[str, str]) -> list[str]:
    """A problem line for each ``ASSAY_`` variable that names no setting.

    Unknown keys inside a known section are left out: the model itself reports those.
    """
    known = set(model.model_fields)
    lines = []
    for name in sorted(environ):
        upper = name.upper()
        if not upper.startswith(ENV_PREFIX) or upper in _NOT_SETTINGS or is_service_link(name, environ[name]):
            continue
        key = upper.removeprefix(ENV_PREFIX).lower().replace("__", ".")
        section = key.split(".")[0]
        is_section = section in known and isinstance(model.model_fields[section].default, BaseModel)
        if key not in known and not is_section:
            lines.append(unknown_key(model, key, f"env {name}"))
    return lines


def broker_addresses(value: str) -> str:
    """The addresses, stripped of spaces. Raises ValueError on one that is not host:port."""
    addresses = [part.strip() for part in value.split(",")]
    for address in addresses:
        match = _BROKER.fullmatch(address)
        if match is None or not 0 < int(match[2]) <= 65_535:
            raise ValueError(f"{address!r} is not host:port; write for example kafka-0:9092,kafka-1:9092")
    return ",".join(addresses)


def http_url(value: str) -> str:
    """The URL without a trailing slash. Raises ValueError on anything that is not http or https."""
    if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", value):
        raise ValueError("this is not an http or https URL; write it as https://host or http://host:port")
    return value.rstrip("/")


def receiver_url(value: str) -> str:
    """The URL as it is: to whoever receives there, a slash at its end may matter. Raises ValueError as above."""
    http_url(value)
    return value


def http_urls(value: str) -> str:
    """URLs without trailing slashes, separated by commas. Raises ValueError on anything that is not http or https."""
    return ",".join(http_url(part.strip()) for part in value.split(",") if part.strip())


def url_path(value: str) -> str:
    """A path without a slash at its end. Raises ValueError on what is none."""
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)*/?", value):
        raise ValueError("this is no path of letters, digits and . _ ~ -; write it as /assay")
    return value.rstrip("/")


def header_name(value: str) -> str:
    """The name of an HTTP header. Raises ValueError on what is none."""
    if not re.fullmatch(r"[A-Za-z0-9-]+", value):
        raise ValueError("this is no header's name; write it as X-Forwarded-User")
    return value
