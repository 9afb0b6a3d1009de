"""``assay check``: is what an operator has set up right, before anything is started."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import click
import yaml
from pydantic import SecretStr

from streams.cli.groups import CONTEXT_SETTINGS, AssayGroup, Lazy, command
from streams.cli.options import FLAG_KEYS, effective_origins, effective_settings, settings_options
from streams.errors import ConfigError
from streams.policy_file import effective_policy, effective_price_book_path
from streams.policy_text import as_document, as_lines
from streams.price_book import load_price_book
from streams.settings import Origin, Settings, pseudonym_key
from streams.settings_layers import nest

__all__ = ["check", "check_config"]

_MASK = "**********"


@click.group(
    "check",
    cls=AssayGroup,
    context_settings=CONTEXT_SETTINGS,
    examples=("assay check config --config assay.yaml",),
    lazy={"config": Lazy("streams.cli.check:check_config", "Show the effective configuration and its origins.")},
)
def check() -> None:
    """Check what an operator has set up."""


@command(
    "config",
    examples=(
        "assay check config --config assay.yaml",
        "ASSAY_WINDOWS__LATENESS_SECONDS=5 assay check config --json | jq .settings.windows",
    ),
)
@settings_options(*FLAG_KEYS)
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of YAML.")
def check_config(as_json: bool) -> None:
    """Show the effective configuration and its origins.

    Prints every setting as YAML, with secrets masked and, as a comment, the flag, variable or file it came from. Flags
    win over ASSAY_... variables, those over the file, the file over defaults. The policy in force follows in comments,
    if there is a policy file, and who may post to `assay ingest`. The output is a valid file for --config, once its masked secrets are put in again. Exits
    with 3 if the configuration, the policy, the price book or the file of sources is invalid.
    """
    try:
        settings = effective_settings()
        policy = effective_policy(settings)
        if (book := effective_price_book_path(settings, policy)) is not None:
            load_price_book(book)
        receivers = _receivers(settings)
        if settings.pseudonym_key is not None or settings.pseudonym_key_file is not None:
            pseudonym_key(settings)
        elif not settings.insecure_dev_key:
            click.echo("no key for pseudonyms: a worker will not start without pseudonym_key_file", err=True)
    except ConfigError as error:
        if as_json:
            click.echo(json.dumps({"valid": False, "problems": str(error).splitlines()}, indent=2))
        raise
    shown = _shown(settings)
    found = effective_origins()
    if as_json:
        document = {
            "valid": True,
            "settings": nest(shown),
            "origins": {key: {"kind": origin.kind, "name": origin.name} for key, origin in found.items()},
            "policy": as_document(policy),
        }
        click.echo(json.dumps(document, indent=2))
    else:
        click.echo(_as_yaml(shown, found), nl=False)
        if settings.policy is not None:
            click.echo("\n".join(f"# {line}" for line in [f"policy {settings.policy}", *as_lines(policy)]))
        if receivers:
            click.echo("\n".join(f"# {line}" for line in [f"sources {settings.ingest.sources_file}", *receivers]))


def _receivers(settings: Settings) -> list[str]:
    """The credentials of `assay ingest`, a line each, where it is set up. Raises ConfigError."""
    chosen = settings.ingest
    if chosen.sources_file is None and not chosen.insecure_no_auth and chosen.tls_certificate_file is None:
        return []
    from streams.ingest.setup import admission_of, sources_file_of, tls_of

    tls_of(settings)
    if chosen.insecure_no_auth:
        admission_of(settings)
    if chosen.sources_file is None:
        return []
    return [
        f"  {each.name}: {each.kind}, by {each.scheme}, team {each.binding.team or 'by rules, payload or default'}"
        for each in sources_file_of(settings).credentials
    ]


def _shown(settings: Settings) -> dict[str, Any]:
    """Plain values by dotted key, nothing secret among them."""
    flat: dict[str, Any] = {}
    for key in effective_origins():
        value: Any = settings
        for part in key.split("."):
            value = getattr(value, part)
        if isinstance(value, SecretStr):
            value = _MASK
        elif isinstance(value, Path):
            value = str(value)
        elif isinstance(value, str) and "://" in value:
            value = ",".join(map(_without_password, value.split(",")))
        flat[key] = value
    return flat


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    _, at, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{_MASK}@{host}")) if at else url


def _as_yaml(shown: dict[str, Any], found: dict[str, Origin]) -> str:
    lines = []
    section = ""
    for key, value in shown.items():
        head, _, leaf = key.rpartition(".")
        if head != section:
            section = head
            if head:
                lines.append((f"{head}:", ""))
        text = yaml.safe_dump({leaf: value}, default_flow_style=False, width=1_000).rstrip("\n")
        lines.append((f"{'  ' if head else ''}{text}", str(found[key])))
    width = max(len(line) for line, _ in lines)
    return "".join(f"{line:<{width}}  # {origin}\n" if origin else f"{line}\n" for line, origin in lines)
