"""Settings as command-line options: one flag per setting, made from the model, so that the two cannot differ."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, get_args, get_origin

import click
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from streams.settings import Origin, Settings, load_settings, origins
from streams.settings_problems import flag_name

__all__ = ["FLAG_KEYS", "effective_origins", "effective_settings", "settings_options"]

_F = TypeVar("_F", bound=Callable[..., Any])
_FLAGS: Final = "assay.flags"
_CONFIG: Final = "assay.config"

#: Settings that may be flags: top-level ones that are no secrets (a command line is visible to every process).
FLAG_KEYS: Final = tuple(
    key
    for key, field in Settings.model_fields.items()
    if not isinstance(field.default, BaseModel) and SecretStr not in get_args(field.annotation)
)


def settings_options(*keys: str) -> Callable[[_F], _F]:
    """Decorator: ``--config`` and one flag for each key. Read them with :func:`effective_settings`.

    The key of a section that is a command's own, ``webhook.url``, is a flag without the section: ``--url``.
    """

    def decorate(function: _F) -> _F:
        for key in reversed(keys):
            function = _option(key, _field(key))(function)
        return click.option(
            "--config",
            type=click.Path(path_type=Path),
            metavar="FILE",
            expose_value=False,
            callback=_remember_config,
            help="YAML file with settings.  [env: ASSAY_CONFIG]",
        )(function)

    return decorate


def effective_settings() -> Settings:
    """The settings of the running command. Raises ConfigError."""
    return load_settings(*_given())


def effective_origins() -> dict[str, Origin]:
    """Where each of the running command's settings came from."""
    return origins(*_given())


def _given() -> tuple[Path | None, Mapping[str, object]]:
    meta = click.get_current_context().meta
    return meta.get(_CONFIG), meta.get(_FLAGS, {})


def _field(key: str) -> FieldInfo:
    section, _, leaf = key.rpartition(".")
    model = type(Settings.model_fields[section].default) if section else Settings
    found: FieldInfo = model.model_fields[leaf]
    return found


def _option(key: str, field: FieldInfo) -> Callable[[_F], _F]:
    kind = _kind(field.annotation)
    flag = flag_name(key)
    default = "" if field.default in (None, "", False) else f"  [default: {field.default}]"
    return click.option(
        flag if kind is not None else f"{flag}/--no-{flag[2:]}",
        type=kind,
        default=None,
        expose_value=False,
        callback=partial(_remember, key),
        metavar=None if kind is None or isinstance(kind, click.Choice) else _METAVARS.get(kind.name, "TEXT"),
        help=f"{field.description}{default}",
    )


_METAVARS: Final = {"integer": "N", "float": "X"}


def _kind(annotation: Any) -> click.ParamType | None:
    """The option's type; None for a switch. Ranges are the model's business."""
    if annotation is bool:
        return None
    if get_origin(annotation) is Literal:
        return click.Choice(get_args(annotation))
    return {int: click.INT, float: click.FLOAT}.get(annotation, click.STRING)


def _remember(key: str, ctx: click.Context, _param: click.Parameter, value: object) -> None:
    if value is not None:
        ctx.meta.setdefault(_FLAGS, {})[key] = value


def _remember_config(ctx: click.Context, _param: click.Parameter, value: Path | None) -> None:
    ctx.meta[_CONFIG] = value
