"""Keyed SimHash of what was asked: near-duplicate prompts have near-equal fingerprints, and the words cannot be had back.

Each word counts by the bits of its keyed hash; the sign of each bit's sum is the fingerprint's bit (Charikar, STOC 2002;
Manku, Jain and Das Sarma, WWW 2007). Keyed, so that a dictionary of words cannot be tried without the key.
"""

import re
from hashlib import blake2b
from typing import Final

import numpy as np

__all__ = ["Fingerprints"]

_WORD: Final = re.compile(r"\w+")
#: Characters looked at: enough to tell prompts apart, and a bound on the work for one call.
_MOST_CHARACTERS: Final = 20_000
_CACHE_BOUND: Final = 50_000


class Fingerprints:
    """Makes fingerprints under one tenant's key. Remembers hashes of words, never in the order of a text."""

    def __init__(self, key: bytes) -> None:
        self._key = blake2b(key, digest_size=32, person=b"assay-prompt").digest()
        self._known: dict[str, int] = {}

    def __call__(self, prompt: str) -> str:
        """The fingerprint of a prompt: 16 hex digits. Words are compared without case, and a text without any is itself."""
        words = _WORD.findall(prompt[:_MOST_CHARACTERS].casefold()) or [prompt[:_MOST_CHARACTERS]]
        if len(self._known) > _CACHE_BOUND:
            self._known.clear()
        hashes = np.array([self._known.get(word) or self._hash(word) for word in words], dtype=">u8")
        ones = np.unpackbits(hashes.view(np.uint8).reshape(-1, 8), axis=1).sum(axis=0, dtype=np.int64)
        return np.packbits(ones * 2 > len(words)).tobytes().hex()

    def _hash(self, word: str) -> int:
        found = int.from_bytes(blake2b(word.encode(errors="replace"), key=self._key, digest_size=8).digest(), "big")
        self._known[word] = found
        return found
