"""What the settings say about who may post and how, checked before anything is started."""

import socket
import ssl
from collections.abc import Sequence
from typing import NamedTuple

from streams.errors import ConfigError
from streams.ingest.credentials import SourcesFile, load_sources_file
from streams.ingest.gate import Gate
from streams.settings import Settings
from streams.sources.booking import Binding
from streams.sources.catalogue import SOURCES, Source
from streams.sources.linking import DEFAULT, Linking

__all__ = ["Admission", "admission_of", "sources_file_of", "tls_of"]


class Admission(NamedTuple):
    """Who comes in, and what is known of the organisation's own names."""

    gate: Gate
    linking: Linking


def admission_of(settings: Settings, sources: Sequence[Source] = SOURCES) -> Admission:
    """What the settings describe. Raises ConfigError where they describe no gate, or one that is none."""
    chosen = settings.ingest
    if not chosen.insecure_no_auth:
        file = sources_file_of(settings, sources)
        return Admission(Gate(file.credentials), file.linking)
    if chosen.sources_file is not None:
        raise ConfigError(
            "ingest.sources_file and ingest.insecure_no_auth are given together; keep exactly one of them"
        )
    if not _is_loopback(chosen.host):
        raise ConfigError(
            f"ingest.insecure_no_auth: {chosen.host} is no loopback address, and everybody could post; give "
            "ingest.host: 127.0.0.1, or ingest.sources_file"
        )
    binding = Binding(default_team=chosen.default_team, default_workflow=chosen.default_workflow)
    return Admission(Gate([], open_to=binding), DEFAULT)


def sources_file_of(settings: Settings, sources: Sequence[Source] = SOURCES) -> SourcesFile:
    """The file of sources that the settings name. Raises ConfigError."""
    chosen = settings.ingest
    if chosen.sources_file is None:
        raise ConfigError(
            "nobody may post: set ingest.sources_file to a file of credentials (docs/ingest.md), or "
            "ingest.insecure_no_auth: true for development"
        )
    return load_sources_file(
        chosen.sources_file, sources, default_team=chosen.default_team, default_workflow=chosen.default_workflow
    )


def tls_of(settings: Settings) -> ssl.SSLContext | None:
    """The server's context, None where TLS is not asked for. Raises ConfigError."""
    certificate, key = settings.ingest.tls_certificate_file, settings.ingest.tls_key_file
    if certificate is None or key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:
        raise ConfigError(
            f"ingest.tls_certificate_file: {certificate} and {key} are no certificate and its key ({error.strerror}); "
            "give both in PEM, the key without a password"
        ) from error
    return context


def _is_loopback(host: str) -> bool:
    """Whether an address reaches this machine only."""
    try:
        found = socket.getaddrinfo(host, None)
    except OSError:
        return False
    return all(address[4][0] == "::1" or str(address[4][0]).startswith("127.") for address in found)
