"""Files of secrets, one a line, read again when they change: a secret is rotated by writing the new one beside the old."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from streams.errors import ConfigError

__all__ = ["MIN_SECRET_CHARACTERS", "SecretFile"]

log = structlog.get_logger(__name__)

#: 96 bits in base64; what `openssl rand -hex 32` gives has 64 characters.
MIN_SECRET_CHARACTERS: Final = 16
#: How long a change may go unseen; a look costs a system call.
_LOOK_SECONDS: Final = 1.0
_MAX_BYTES: Final = 64 * 1024


class SecretFile:
    """The secrets in a file. Blank lines, and those that begin with #, are none.

    Raises ConfigError where it cannot be read at first, or holds none, or one that is too short. Later that is logged,
    and the secrets that were last read stay valid. ``check`` raises ValueError, which does not show the secret, for one that
    cannot be used otherwise.
    """

    def __init__(
        self, path: Path, *, least: int = MIN_SECRET_CHARACTERS, check: Callable[[bytes], object] | None = None,
        now_seconds: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._path = path
        self._check = check
        self._least = least
        self._now_seconds = now_seconds
        self._looked = now_seconds()
        self._stamp = self._stamped()
        self._secrets = self._read()

    def secrets(self) -> tuple[bytes, ...]:
        """Those that are valid now."""
        now = self._now_seconds()
        if now - self._looked >= _LOOK_SECONDS:
            self._looked = now
            self._look()
        return self._secrets

    def _look(self) -> None:
        stamp = self._stamped()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._secrets = self._read()
        except ConfigError as error:
            log.error("secrets_not_read", detail=str(error))
        else:
            log.info("secrets_read", file=str(self._path), count=len(self._secrets))

    def _stamped(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self) -> tuple[bytes, ...]:
        try:
            with self._path.open("rb") as file:
                content = file.read(_MAX_BYTES + 1)
        except OSError as error:
            raise ConfigError(f"cannot read {self._path} ({error.strerror}); name a file this user may read") from error
        if len(content) > _MAX_BYTES:
            raise ConfigError(f"{self._path} is longer than {_MAX_BYTES:,} bytes; write one secret a line")
        secrets = []
        for number, line in enumerate(content.splitlines(), start=1):
            secret = line.strip()
            if not secret or secret.startswith(b"#"):
                continue
            if len(secret) < self._least:
                raise ConfigError(
                    f"{self._path}, line {number}: the secret has {len(secret)} characters; give at least {self._least} "
                    "(openssl rand -hex 32)"
                )
            if self._check is not None:
                try:
                    self._check(secret)
                except ValueError as error:
                    raise ConfigError(f"{self._path}, line {number}: {error}") from None
            secrets.append(secret)
        if not secrets:
            raise ConfigError(f"{self._path} holds no secret; write one a line (openssl rand -hex 32)")
        return tuple(secrets)
