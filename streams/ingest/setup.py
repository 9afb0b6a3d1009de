"""What the settings say about who may post and how, checked before anything is started."""

import socket
import ssl
from collections.abc import Sequence

from streams.errors import ConfigError
from streams.ingest.credentials import Credential, load_credentials
from streams.ingest.gate import Gate
from streams.settings import Settings
from streams.sources.booking import Binding
from streams.sources.catalogue import SOURCES, Source

__all__ = ["credentials_of", "gate_of", "tls_of"]


def gate_of(settings: Settings, sources: Sequence[Source] = SOURCES) -> Gate:
    """The gate that the settings describe. Raises ConfigError where they describe none, or one that is no gate."""
    chosen = settings.ingest
    if not chosen.insecure_no_auth:
        return Gate(credentials_of(settings, sources))
    if chosen.sources_file is not None:
        raise ConfigError(
            "ingest.sources_file and ingest.insecure_no_auth are given together; keep exactly one of them"
        )
    if not _is_loopback(chosen.host):
        raise ConfigError(
            f"ingest.insecure_no_auth: {chosen.host} is no loopback address, and everybody could post; give "
            "ingest.host: 127.0.0.1, or ingest.sources_file"
        )
    return Gate([], open_to=Binding(default_team=chosen.default_team, default_workflow=chosen.default_workflow))


def credentials_of(settings: Settings, sources: Sequence[Source] = SOURCES) -> list[Credential]:
    """The credentials of the file that the settings name. Raises ConfigError."""
    chosen = settings.ingest
    if chosen.sources_file is None:
        raise ConfigError(
            "nobody may post: set ingest.sources_file to a file of credentials (docs/ingest.md), or "
            "ingest.insecure_no_auth: true for development"
        )
    return load_credentials(
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
