"""Which revision of a record was handled last, so that none is handled twice: pure, and of bounded memory."""

from collections import OrderedDict

__all__ = ["Revisions"]


class Revisions:
    """The highest revision by key, of the ``bound`` keys that moved last.

    What is forgotten is handled again when it is repeated, which at-least-once delivery allows for anyway.
    """

    __slots__ = ("_bound", "_highest")

    def __init__(self, bound: int) -> None:
        if bound < 1:
            raise ValueError(f"remember is {bound}: give 1 or more")
        self._bound = bound
        self._highest: OrderedDict[bytes, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._highest)

    def is_new(self, key: bytes, revision: int) -> bool:
        """Whether this revision is higher than all that were noted of the key."""
        return revision > self._highest.get(key, -1)

    def note(self, key: bytes, revision: int) -> None:
        """Remember a revision that was handled; a lower one than before changes nothing."""
        self._highest[key] = max(revision, self._highest.pop(key, -1))
        if len(self._highest) > self._bound:
            self._highest.popitem(last=False)

    def forget(self, key: bytes) -> None:
        """A tombstone came: what is written under the key from now on is another record."""
        self._highest.pop(key, None)
