"""Who may read pages, and how many requests a second: from headers alone."""

import hmac
import socket
from collections.abc import Callable, Mapping
from typing import Final

from streams.errors import ConfigError
from streams.ingest.secret_files import SecretFile
from streams.settings_sections import ConsoleSettings

__all__ = ["Gate", "Pace", "gate_of"]

_BEARER: Final = "bearer "


class Gate:
    """Lets through whoever shows all that is asked for: a token, an identity that a proxy has set, both, or nothing."""

    def __init__(self, tokens: Callable[[], tuple[bytes, ...]] | None, identity_header: str | None) -> None:
        self._tokens = tokens
        self._identity_header = identity_header

    def admits(self, headers: Mapping[str, str]) -> bool:
        """Whether the headers of a request have that."""
        if self._identity_header is not None and not headers.get(self._identity_header, "").strip():
            return False
        if self._tokens is None:
            return True
        said = headers.get("Authorization", "")
        token = said[len(_BEARER) :].strip().encode(errors="replace") if said.lower().startswith(_BEARER) else b""
        # Each is compared, so that the time says nothing of which one is like it.
        return sum([hmac.compare_digest(token, known) for known in self._tokens()]) > 0


class Pace:
    """A bucket of requests: as many at once as come in a second."""

    def __init__(self, per_second: int, now_seconds: Callable[[], float]) -> None:
        self._per_second = per_second
        self._now_seconds = now_seconds
        self._left = float(per_second)
        self._at = now_seconds()

    def take(self) -> bool:
        """Whether there is room for one more."""
        now = self._now_seconds()
        self._left = min(self._per_second, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


def gate_of(chosen: ConsoleSettings) -> Gate:
    """The gate that the settings describe. Raises ConfigError where they would show pages to everybody unasked."""
    open_to_all = chosen.token_file is None and chosen.identity_header is None
    if open_to_all and not chosen.insecure_no_auth and not _is_loopback(chosen.host):
        raise ConfigError(
            f"console.host: {chosen.host} is no loopback address, and everybody could read; set console.token_file, "
            "console.identity_header for an identity proxy, or console.insecure_no_auth: true where the network decides"
        )
    tokens = None if chosen.token_file is None else SecretFile(chosen.token_file).secrets
    return Gate(tokens, chosen.identity_header)


def _is_loopback(host: str) -> bool:
    try:
        found = socket.getaddrinfo(host, None)
    except OSError:
        return False
    return all(address[4][0] == "::1" or str(address[4][0]).startswith("127.") for address in found)
