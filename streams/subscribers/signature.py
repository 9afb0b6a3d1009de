"""Signatures of webhooks by the Standard Webhooks specification (standardwebhooks.com, version 1.0.0).

``webhook-signature`` holds one ``v1,BASE64`` for each secret, separated by spaces: HMAC-SHA256 of the id, the timestamp in
seconds and the body, joined by dots. The timestamp is signed, so that a recorded request is worth nothing later.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from streams.clock import SystemClock
from streams.subscribers.errors import InvalidSignature, SignatureProblem

__all__ = ["MIN_SECRET_BYTES", "parse_secrets", "sign", "verify_signature"]

#: The least that the specification allows: 192 bits.
MIN_SECRET_BYTES: Final = 24
_PREFIX: Final = "whsec_"
_VERSION: Final = "v1"
_ID, _TIMESTAMP, _SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"


def parse_secrets(text: str) -> list[bytes]:
    """The secrets in the lines of a file: ``whsec_`` and base64, or any text as it is; blank lines and # are none.

    Raises:
        ValueError: There is none, or one is too short; the message names the line and never the secret.
    """
    secrets = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            secret = _secret(line.strip())
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error
        secrets.append(secret)
    if not secrets:
        raise ValueError("there is no secret in it; write one a line (openssl rand -hex 32)")
    return secrets


def sign(secrets: Iterable[bytes], identity: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """The three headers of a signed request; with several secrets, of which a receiver needs to know one."""
    signatures = [f"{_VERSION},{_signature(secret, identity, timestamp_s, body)}" for secret in secrets]
    return {_ID: identity, _TIMESTAMP: str(timestamp_s), _SIGNATURE: " ".join(signatures)}


def verify_signature(
    body: bytes,
    headers: Mapping[str, str],
    secrets: str | Sequence[str],
    *,
    now_ms: int | None = None,
    tolerance_seconds: int = 300,
) -> str:
    """Check a request that a webhook bridge sent, and give its id; compare ids to know a repeated one.

    Takes the same time whichever secret matches, and whichever byte does not.

    Args:
        body: The body as it was received, before anything parsed it.
        headers: The request's headers, in any case.
        secrets: The secret, or several while they are being exchanged, as in the bridge's file.
        now_ms: The receiver's time; its clock's by default.
        tolerance_seconds: How far the timestamp may be from it.

    Raises:
        InvalidSignature: It was not signed with one of them, or not lately; ``problem`` says which.
        ValueError: A secret is shorter than 24 bytes.
    """
    keys = [_secret(secret) for secret in ([secrets] if isinstance(secrets, str) else secrets)]
    given = {name.lower(): value for name, value in headers.items()}
    for name in (_ID, _TIMESTAMP, _SIGNATURE):
        if not given.get(name):
            raise InvalidSignature(SignatureProblem.MISSING_HEADER, f"there is no header {name}: was it signed?")
    identity, timestamp = given[_ID], given[_TIMESTAMP]
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise InvalidSignature(SignatureProblem.NOT_A_TIMESTAMP, f"{_TIMESTAMP} is not a number of seconds")
    _check_age(int(timestamp), SystemClock().now_ms() if now_ms is None else now_ms, tolerance_seconds)
    expected = [_signature(key, identity, int(timestamp), body).encode() for key in keys]
    found = False
    for part in given[_SIGNATURE].split(" "):
        version, _, signature = part.partition(",")
        for candidate in expected:
            matches = hmac.compare_digest(candidate, signature.encode())
            found |= matches and version == _VERSION
    if not found:
        raise InvalidSignature(SignatureProblem.NO_MATCH, "the signature was made with another secret or another body")
    return identity


def _check_age(timestamp_s: int, now_ms: int, tolerance_seconds: int) -> None:
    age_ms = now_ms - timestamp_s * 1_000
    if age_ms > tolerance_seconds * 1_000:
        message = f"the request was signed more than {tolerance_seconds} s ago: a replay, or a wrong clock"
        raise InvalidSignature(SignatureProblem.TOO_OLD, message)
    if age_ms < -tolerance_seconds * 1_000:
        message = f"the request was signed more than {tolerance_seconds} s ahead of this clock: set the clocks"
        raise InvalidSignature(SignatureProblem.TOO_NEW, message)


def _signature(secret: bytes, identity: str, timestamp_s: int, body: bytes) -> str:
    signed = f"{identity}.{timestamp_s}.".encode() + body
    return base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()


def _secret(text: str) -> bytes:
    if text.startswith(_PREFIX):
        try:
            encoded = text.removeprefix(_PREFIX).rstrip("=")
            secret = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
        except binascii.Error as error:
            raise ValueError(f"what follows {_PREFIX} is not base64") from error
    else:
        secret = text.encode()
    if len(secret) < MIN_SECRET_BYTES:
        raise ValueError(f"the secret has {len(secret)} bytes; give at least {MIN_SECRET_BYTES} (openssl rand -hex 32)")
    return secret
