"""What is wrong with a configuration, said in lines that name the key, where it stands, and the fix."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, Final, Protocol

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails

__all__ = ["ENV_PREFIX", "OWN_SECTIONS", "env_name", "flag_name", "problems_of", "unknown_key"]

ENV_PREFIX: Final = "ASSAY_"
#: Sections whose settings are flags, of the one command that each belongs to.
OWN_SECTIONS: Final = frozenset({"alertmanager", "console", "forward", "ingest", "webhook"})

#: The fix by pydantic's type of error; the context of the error fills the braces.
_FIXES: Final = {
    "greater_than": "give more than {gt}",
    "greater_than_equal": "give {ge} or more",
    "less_than": "give less than {lt}",
    "less_than_equal": "give {le} or less",
    "literal_error": "give one of {expected}",
    "int_parsing": "give a whole number",
    "int_type": "give a whole number",
    "int_from_float": "give a whole number",
    "float_parsing": "give a number",
    "float_type": "give a number",
    "finite_number": "give a finite number",
    "bool_parsing": "give true or false",
    "bool_type": "give true or false",
    "string_type": "give a text; quote it in YAML",
    "string_too_short": "give at least {min_length} characters",
    "string_pattern_mismatch": "give a text that matches {pattern}",
    "path_type": "give a path",
    "model_type": "give its keys below it, indented",
    "value_error": "{error}",
}


class _Layer(Protocol):
    @property
    def values(self) -> dict[str, Any]: ...
    @property
    def kind(self) -> str: ...
    def name_of(self, key: str) -> str: ...


def env_name(key: str) -> str:
    """The environment variable of a dotted key."""
    return ENV_PREFIX + key.replace(".", "__").upper()


def flag_name(key: str) -> str:
    """The command-line flag of a dotted key; a command's own section is not named in its flags."""
    section, _, leaf = key.partition(".")
    if leaf and section in OWN_SECTIONS:
        key = leaf
    return "--" + key.replace(".", "-").replace("_", "-")


def unknown_key(model: type[BaseModel], key: str, where: str) -> str:
    """The line for a key that is no setting, with the nearest valid one."""
    known = _keys(model)
    leaf = key.rsplit(".", 1)[-1]
    by_leaf = {name.rsplit(".", 1)[-1]: name for name in known}
    near = get_close_matches(key, known, n=1, cutoff=0.7) or [
        by_leaf[name] for name in get_close_matches(leaf, by_leaf, n=1, cutoff=0.7)
    ]
    if not near:
        return f"{key} ({where}): unknown key; `assay check config` lists the valid ones"
    return f"{key} ({where}): unknown key; did you mean {env_name(near[0]) if where.startswith('env') else near[0]}?"


def problems_of(model: type[BaseModel], error: ValidationError, layers: Sequence[_Layer]) -> list[str]:
    """One line per distinct error, each with the layer its value came from; secrets are never echoed."""
    lines: dict[str, None] = {}
    for detail in error.errors(include_url=False, include_input=True):
        key = ".".join(str(part) for part in detail["loc"])
        layer = next((layer for layer in layers if key in layer.values), None)
        where = f"{layer.kind} {layer.name_of(key)}" if layer else ""
        if detail["type"] == "extra_forbidden":
            lines[_unknown(model, key, layers)] = None
        elif not where:
            lines[f"{key}: {_fix(detail)}" if key in _keys(model) else _fix(detail)] = None
        else:
            lines[f"{key} ({where}): {_got(key, detail)}{_fix(detail)}"] = None
    return list(lines)


def _unknown(model: type[BaseModel], key: str, layers: Sequence[_Layer]) -> str:
    # An unknown section is one problem, however many keys stand below it.
    for layer in layers:
        if any(name == key or name.startswith(f"{key}.") for name in layer.values):
            return unknown_key(model, key, f"{layer.kind} {layer.name_of(key)}")
    return unknown_key(model, key, "file")


def _fix(detail: ErrorDetails) -> str:
    template = _FIXES.get(detail["type"])
    return template.format(**detail.get("ctx", {})) if template else detail["msg"]


def _got(key: str, detail: ErrorDetails) -> str:
    value = detail["input"]
    # A value error quotes what matters itself, and never a URL, which may hold a password; no key is ever shown.
    if detail["type"] == "value_error" or isinstance(value, (dict, SecretStr)) or key.startswith("pseudonym_key"):
        return ""
    shown = repr(value)
    return f"{shown if len(shown) <= 60 else shown[:57] + '...'} is not valid; "


def _keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    keys = []
    for name, field in model.model_fields.items():
        if isinstance(field.default, BaseModel):
            keys += _keys(type(field.default), f"{prefix}{name}.")
        else:
            keys.append(f"{prefix}{name}")
    return keys
