"""Who posts: the credential of a request, found in the same time whichever it is, and whichever byte is wrong."""

import hmac
import os
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

from streams.ingest.credentials import Credential, Scheme
from streams.ingest.refusing import HttpRefusal
from streams.sources.booking import Binding
from streams.sources.catalogue import Source

__all__ = ["Admitted", "Gate"]

#: Of no longer header is a hash made.
_LONGEST: Final = 4_096
_SCHEMES: Final = {"bearer": Scheme.BEARER, "basic": Scheme.BASIC}


class Admitted(NamedTuple):
    """Whose request it is: the name of the credential, and what that says of the events."""

    name: str
    binding: Binding


class Gate:
    """Admits requests by credentials; with ``open_to`` everybody is admitted under that binding, and nobody asked."""

    def __init__(self, credentials: Sequence[Credential], *, open_to: Binding | None = None) -> None:
        self._credentials = credentials
        self._open_to = open_to
        self._key = os.urandom(32)

    def admit_by_header(self, source: Source, headers: Mapping[str, str], now_ms: int) -> Admitted | None:
        """Who posts, by the header; None where only a signature over the body can tell.

        Raises HttpRefusal, 401 or 403, with what to do about it.
        """
        if self._open_to is not None:
            return Admitted("anyone", self._open_to)
        header = headers.get("authorization", "")
        word, _, presented = header.strip().partition(" ")
        scheme = _SCHEMES.get(word.lower())
        if scheme is None or not presented.strip():
            if any(self._signed(source)):
                return None
            raise self._unknown(source, "there is no Authorization header, or not one of Bearer or Basic")
        found = self._by_secret(scheme, presented.strip())
        for credential in found:
            if credential.kind == source.name:
                return _admitted(credential, now_ms)
        if found:
            raise HttpRefusal(
                403, "wrong_source",
                f"this credential is for {found[0].kind}, not for {source.name}: use one whose kind is {source.name}",
            )  # fmt: skip
        raise self._unknown(source, "the credential is not known, or not any more")

    def admit_by_signature(self, source: Source, body: bytes, headers: Mapping[str, str], now_ms: int) -> Admitted:
        """Who signed the body. Raises HttpRefusal (401)."""
        assert source.verify is not None
        problem = None
        for credential in self._signed(source):
            found = source.verify(body, headers, credential.file.secrets(), now_ms)
            if found is None:
                return _admitted(credential, now_ms)
            problem = problem or found
        raise HttpRefusal(401, "bad_signature", problem or "nobody's secret signed it")

    def _signed(self, source: Source) -> list[Credential]:
        if source.verify is None:
            return []
        return [each for each in self._credentials if each.kind == source.name and each.scheme is Scheme.SIGNATURE]

    def _by_secret(self, scheme: Scheme, presented: str) -> list[Credential]:
        """Those whose secret it is; all are compared, and hashes under a key that nobody knows are what is compared."""
        mine = self._hash(presented[:_LONGEST].encode(errors="replace"))
        return [
            credential
            for credential in self._credentials
            if credential.scheme is scheme
            and sum(hmac.compare_digest(mine, self._hash(secret)) for secret in credential.presented())
        ]

    def _hash(self, secret: bytes) -> bytes:
        return blake2b(secret, key=self._key, digest_size=32).digest()

    def _unknown(self, source: Source, why: str) -> HttpRefusal:
        schemes = {each.scheme for each in self._credentials if each.kind == source.name}
        challenge = "Basic" if schemes == {Scheme.BASIC} else "Bearer"
        return HttpRefusal(
            401, "not_authorized",
            f"{why}: send `Authorization: {challenge} ...` with a secret of an entry of kind {source.name}",
            {"WWW-Authenticate": f'{challenge} realm="assay"'},
        )  # fmt: skip


def _admitted(credential: Credential, now_ms: int) -> Admitted:
    if credential.ends_ms is not None and now_ms >= credential.ends_ms:
        raise HttpRefusal(401, "expired", f"the credential {credential.name} has expired: use a new one")
    return Admitted(credential.name, credential.binding)
