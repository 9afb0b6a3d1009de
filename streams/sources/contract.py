"""What every source takes and gives: a body with its context in; items, refusals and passed-over counts out."""

from collections import Counter
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple

from streams.core.reasons import Reason
from streams.sources.linking import DEFAULT, Linking

__all__ = [
    "USAGE_UNKNOWN",
    "BadBody",
    "Context",
    "Decode",
    "Decoded",
    "Form",
    "Item",
    "Refused",
    "Skip",
]

#: Attribute of a call whose tokens its source does not tell: its token fields are 0 because nobody knows, and say so.
USAGE_UNKNOWN: Final = {"usage": "unknown"}


class Form(StrEnum):
    """Which of the two input records an item becomes."""

    USAGE = "usage"
    OUTCOME = "outcome"


class Skip(StrEnum):
    """Why something was read, understood and left out. The values are metric labels and stand in docs/sources."""

    CACHE_HIT = "cache_hit"
    """The client answered from its own cache: no provider was asked, nothing was spent."""
    LOOKUP = "lookup"
    """A stored answer was fetched again: not a call."""
    PARENT = "parent"
    """A span or observation that repeats what its children used."""
    REPEATED = "repeated"
    """The same call, told again by another signal of the same client."""
    IRRELEVANT = "irrelevant"
    """A known kind of record that is neither usage nor an outcome."""
    UNJUDGED = "unjudged"
    """A score of which no rule says whether it is a good one."""
    UNKNOWN = "unknown"
    """A kind of record that this source does not know."""


class Context(NamedTuple):
    """What the receiver knows of a body and the body does not say.

    Header names are in lower case. ``fingerprint`` turns a prompt into its keyed fingerprint (16 hex digits); it is
    None where fingerprints are switched off, and then the prompt is not looked at. ``linking`` are the names by which
    outcomes find their run.
    """

    received_at_ms: int
    path: str = ""
    content_type: str = "application/json"
    headers: Mapping[str, str] = {}
    fingerprint: Callable[[str], str] | None = None
    linking: Linking = DEFAULT


class Item(NamedTuple):
    """One usage or outcome event as its source tells it.

    ``fields`` has the names and units of the record (schemas/); unknown ones are left out, ``team`` and ``workflow`` are there
    only where the payload names them as such, and ``actor`` is still raw. ``labels`` is what rules may map to a team or
    workflow, such as ``service.name`` or ``repository``; labels never leave the process. ``place`` is where the item
    stands in the body, or the sender's own id of it, in the form in which the sender's protocol answers for single items.
    """

    place: str
    form: Form
    fields: dict[str, Any]
    labels: Mapping[str, str] = {}


class Refused(NamedTuple):
    """An item that can never become an event; the detail names the field and the fix, and echoes no value."""

    place: str
    reason: Reason
    detail: str


class Decoded(NamedTuple):
    """Everything a body held: each of its records is in exactly one of the first three.

    ``links`` counts, for sources of outcomes, how the items came by their run, or why they have none
    (:class:`streams.sources.linking.Link`).
    """

    items: list[Item]
    refused: list[Refused]
    skipped: Counter[Skip]
    links: Mapping[str, int] = {}


class BadBody(Exception):
    """The body as a whole is not what its route takes; the text names what is wrong and the fix, and echoes no value."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


#: Raises BadBody and nothing else, whatever the bytes; takes time linear in them.
Decode = Callable[[bytes, Context], Decoded]
