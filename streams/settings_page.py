"""The settings as the page ``docs/configuration.md``, printed from the model so that the two cannot differ."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from streams.settings import Settings
from streams.settings_problems import env_name

__all__ = ["documented_keys", "markdown"]

_INTRODUCTION: Final = """\
# Configuration

Printed by `python -m streams.settings_page`; a test fails when this page and the code differ.

A setting comes from a flag, else from the environment, else from the YAML file that `--config` or `ASSAY_CONFIG` names,
else it has its default. What is set and wrong, or not a setting at all, is an error that names it (exit code 3).

```yaml
brokers: kafka-0:9092,kafka-1:9092
partitions: 12
replication_factor: 3
pseudonym_key_file: /run/secrets/assay-key
windows:
  lateness_seconds: 120
```

The same as variables: `ASSAY_PARTITIONS=12`, `ASSAY_WINDOWS__LATENESS_SECONDS=120` (two underscores before a section's
key). Settings outside sections are flags, too: `--partitions 12`; the key of the pseudonyms is not, as every process
sees a command line. Those of the sections `forward`, `alertmanager` and `webhook` are flags of `assay forward`, those
of `ingest` of `assay ingest`, and those of `console` of `assay console`, without the section: `--resolve-after-seconds 600`. `assay check config` takes the same sources, prints every effective value with its origin, secrets
masked, and starts nothing. What `policy` names is explained in [policy.md](policy.md).

One of `pseudonym_key_file`, `pseudonym_key` and `insecure_dev_key` must be given to a worker and to `assay ingest`. These
must be the same for all processes of an installation, and stay the same while its state lives: `app_id`, `topic_prefix`,
`partitions`, the key.
"""


def markdown() -> str:
    """The page."""
    lines = [_INTRODUCTION, "## Settings", "", *_table(Settings, "")]
    for name, section in _sections():
        lines += ["", f"## `{name}`", "", _sentence(section), "", *_table(section, f"{name}.")]
    return "\n".join(lines) + "\n"


def documented_keys() -> list[str]:
    """Every setting's dotted key, in the order of the page."""
    keys = [name for name, field in Settings.model_fields.items() if not _is_section(field)]
    return keys + [f"{name}.{key}" for name, section in _sections() for key in section.model_fields]


def _sections() -> Iterator[tuple[str, type[BaseModel]]]:
    for name, field in Settings.model_fields.items():
        if _is_section(field):
            yield name, type(field.default)


def _is_section(field: FieldInfo) -> bool:
    return isinstance(field.default, BaseModel)


def _sentence(section: type[BaseModel]) -> str:
    return (section.__doc__ or "").strip()


def _table(model: type[BaseModel], prefix: str) -> list[str]:
    lines = ["| setting | variable | default | accepts | meaning |", "|---|---|---|---|---|"]
    for name, field in model.model_fields.items():
        if not _is_section(field):
            lines.append(
                f"| `{name}` | `{env_name(prefix + name)}` | {_default(field.default)} | {_accepts(field)} "
                f"| {field.description} |"
            )
    return lines


def _default(value: Any) -> str:
    if value is None:
        return "none"
    if value == "":
        return "empty"
    return f"`{str(value).lower()}`" if isinstance(value, bool) else f"`{value}`"


def _accepts(field: FieldInfo) -> str:
    kind, *others = [part for part in get_args(field.annotation) or [field.annotation] if part is not type(None)]
    constraints = list(field.metadata)
    if get_origin(field.annotation) is Literal:
        return ", ".join(f"`{value}`" for value in [kind, *others])
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if kind is bool:
        return "`true`, `false`"
    if kind in (int, float):
        return f"{'whole number' if kind is int else 'number'}, {_range(constraints)}"
    if kind is SecretStr:
        return "secret text"
    if kind is Path:
        return "path"
    patterns = [constraint.pattern for constraint in constraints if getattr(constraint, "pattern", None)]
    if patterns:
        return f"`{patterns[0]}`"
    return "text, not empty" if any(hasattr(constraint, "min_length") for constraint in constraints) else "text"


def _range(constraints: list[Any]) -> str:
    low = next((f"{c.ge:,}" for c in constraints if hasattr(c, "ge")), None)
    above = next((f"more than {c.gt:,}" for c in constraints if hasattr(c, "gt")), None)
    high = next(f"{c.le:,}" for c in constraints if hasattr(c, "le"))
    return f"{low or above} to {high}"


if __name__ == "__main__":
    sys.stdout.write(markdown())
