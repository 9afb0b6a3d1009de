"""Signatures of webhooks: whether a body was sent by a system that knows one of our secrets, and not long ago.

All are HMAC-SHA256 of the body as it came, before anything parsed it. The time must be part of what is signed to be worth
anything: Linear has it in the body, Standard Webhooks in what is signed. GitHub, Jira and PagerDuty sign no time; what of
theirs is sent again gives the same outcomes, which count once.

Sources: docs.github.com "Validating webhook deliveries"; developer.atlassian.com "Webhooks" (WebSub's X-Hub-Signature);
linear.app/developers/webhooks; developer.pagerduty.com "Verifying signatures" (v3); standardwebhooks.com 1.0.0.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Final

import orjson

__all__ = ["MIN_SECRET_BYTES", "InvalidSignature", "Problem", "Scheme", "Verifier", "secret_key", "verifier", "verify"]

#: What can be guessed protects nobody; forges let people choose the secret.
MIN_SECRET_BYTES: Final = 16
#: In either direction, as Standard Webhooks advises.
TOLERANCE_MS: Final = 300_000
#: Signatures in one header: a sender signs once for each of its secrets, and each more is work for whoever checks.
_MOST_SIGNATURES: Final = 16


class Scheme(StrEnum):
    """Who signs, and how."""

    GITHUB = "github"
    """``X-Hub-Signature-256: sha256=HEX``."""
    JIRA = "jira"
    """``X-Hub-Signature: sha256=HEX``."""
    LINEAR = "linear"
    """``Linear-Signature: HEX``; the time of sending is ``webhookTimestamp`` in the body."""
    PAGERDUTY = "pagerduty"
    """``X-PagerDuty-Signature: v1=HEX,v1=HEX``, one for each secret of the subscription."""
    STANDARD = "standard"
    """``Webhook-Id``, ``Webhook-Timestamp`` and ``Webhook-Signature: v1,BASE64 v1,BASE64``: for senders of your own."""


class Problem(StrEnum):
    """What is wrong with a signature; a metric label."""

    MISSING_HEADER = "missing_header"
    MALFORMED = "malformed"
    NO_MATCH = "no_match"
    TOO_OLD = "too_old"
    TOO_NEW = "too_new"


class InvalidSignature(Exception):
    """The body is not to be believed; the text says what to look at, and echoes nothing that was sent."""

    def __init__(self, problem: Problem, detail: str) -> None:
        super().__init__(detail)
        self.problem = problem


def secret_key(scheme: Scheme, secret: bytes) -> bytes:
    """The key of a secret as its system shows it; ``whsec_`` and base64 are read for Standard Webhooks alone.

    Raises ValueError, which does not show the secret.
    """
    key = secret.strip()
    if scheme is Scheme.STANDARD and key.startswith(b"whsec_"):
        encoded = key.removeprefix(b"whsec_").rstrip(b"=")
        try:
            key = base64.b64decode(encoded + b"=" * (-len(encoded) % 4), validate=True)
        except binascii.Error:
            raise ValueError("what follows whsec_ is not base64") from None
    if len(key) < MIN_SECRET_BYTES:
        raise ValueError(f"the secret has {len(key)} bytes; give at least {MIN_SECRET_BYTES} (openssl rand -hex 32)")
    return key


class Verifier:
    """Checks webhooks of one scheme: (body, headers, secrets, now in ms) to what is wrong, None if nothing is.

    Secrets are as their system shows them, of which each valid one will do; one that is no secret spoils the check.
    """

    def __init__(self, scheme: Scheme) -> None:
        self.scheme: Final = scheme

    def __call__(
        self, body: bytes, headers: Mapping[str, str], secrets: Sequence[bytes], now_ms: int
    ) -> str | None:  # fmt: skip
        """What is wrong with a webhook's signature."""
        try:
            verify(self.scheme, body, headers, [secret_key(self.scheme, secret) for secret in secrets], now_ms=now_ms)
        except (InvalidSignature, ValueError) as error:
            return str(error)
        return None


def verifier(scheme: Scheme) -> Verifier:
    """What checks webhooks of one scheme."""
    return Verifier(scheme)


def verify(
    scheme: Scheme,
    body: bytes,
    headers: Mapping[str, str],
    keys: Sequence[bytes],
    *,
    now_ms: int,
    tolerance_ms: int = TOLERANCE_MS,
) -> None:
    """Check a body against the keys of all secrets that are valid now, several while one is being exchanged.

    ``headers`` have names in lower case. Compares every signature with every key, so that the time tells neither which
    matched nor where one differs. Raises InvalidSignature; ValueError if there is no key, for nothing can be checked.
    """
    if not keys:
        raise ValueError("there is no secret to check signatures with")
    _CHECKS[scheme](body, headers, keys, now_ms, tolerance_ms)


def _hexadecimal(header: str, prefix: str) -> "_Check":
    def check(body: bytes, headers: Mapping[str, str], keys: Sequence[bytes], _now: int, _tolerance: int) -> None:
        given = _given(headers, header).split(",")
        signatures = [it.strip().removeprefix(prefix) for it in given if it.strip().startswith(prefix)]
        if not signatures:
            raise InvalidSignature(Problem.MALFORMED, f"{header} holds no signature that begins with {prefix}")
        _compare(signatures, [hmac.new(key, body, hashlib.sha256).hexdigest() for key in keys])

    return check


def _linear(body: bytes, headers: Mapping[str, str], keys: Sequence[bytes], now_ms: int, tolerance_ms: int) -> None:
    _hexadecimal("linear-signature", "")(body, headers, keys, now_ms, tolerance_ms)
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    sent_ms = document.get("webhookTimestamp") if isinstance(document, dict) else None
    if not isinstance(sent_ms, int):
        raise InvalidSignature(Problem.MALFORMED, "webhookTimestamp is not in the body: when it was sent is not known")
    _check_age(sent_ms, now_ms, tolerance_ms)


def _standard(body: bytes, headers: Mapping[str, str], keys: Sequence[bytes], now_ms: int, tolerance_ms: int) -> None:
    identity, timestamp = _given(headers, "webhook-id"), _given(headers, "webhook-timestamp")
    given = _given(headers, "webhook-signature")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise InvalidSignature(Problem.MALFORMED, "webhook-timestamp is not a number of seconds")
    signed = f"{identity}.{timestamp}.".encode(errors="replace") + body
    expected = [base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in keys]
    _compare([it.removeprefix("v1,") for it in given.split(" ") if it.startswith("v1,")], expected)
    _check_age(int(timestamp) * 1000, now_ms, tolerance_ms)


def _given(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name)
    if not value:
        raise InvalidSignature(
            Problem.MISSING_HEADER, f"there is no header {name}: set a secret where the webhook is made"
        )
    return value


def _compare(given: Sequence[str], expected: Sequence[str]) -> None:
    matches = False
    for signature in given[:_MOST_SIGNATURES]:
        for candidate in expected:
            matches |= hmac.compare_digest(signature.encode(errors="replace"), candidate.encode())
    if not matches:
        raise InvalidSignature(Problem.NO_MATCH, "the body was signed with another secret, or changed on its way")


def _check_age(sent_ms: int, now_ms: int, tolerance_ms: int) -> None:
    if now_ms - sent_ms > tolerance_ms:
        detail = f"it was signed more than {tolerance_ms // 1000} s ago: a replay, or a wrong clock"
        raise InvalidSignature(Problem.TOO_OLD, detail)
    if sent_ms - now_ms > tolerance_ms:
        detail = f"it was signed more than {tolerance_ms // 1000} s ahead of this clock: set the clocks"
        raise InvalidSignature(Problem.TOO_NEW, detail)


_Check = Callable[[bytes, Mapping[str, str], Sequence[bytes], int, int], None]
_CHECKS: Final[Mapping[Scheme, _Check]] = {
    Scheme.GITHUB: _hexadecimal("x-hub-signature-256", "sha256="),
    Scheme.JIRA: _hexadecimal("x-hub-signature", "sha256="),
    Scheme.LINEAR: _linear,
    Scheme.PAGERDUTY: _hexadecimal("x-pagerduty-signature", "v1="),
    Scheme.STANDARD: _standard,
}
