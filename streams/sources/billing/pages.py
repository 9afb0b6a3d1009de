"""Pages of admin APIs: files of one page, an array of pages or a page to a line, and their buckets of time."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from streams.core.reasons import Reason
from streams.sources.billing.bill import DAY_MS, Bill
from streams.sources.contract import BadBody, Refused
from streams.sources.json_bodies import Document, documents
from streams.sources.readings import BadField

__all__ = ["Bucket", "bucket", "each", "entries", "pages"]

#: A year and a leap day: whatever is longer is a wrong unit.
_LONGEST_MS: Final = 366 * DAY_MS


class Bucket(NamedTuple):
    """A time, and where in the file its results are."""

    place: str
    start_ms: int
    end_ms: int


def pages(body: bytes, bill: Bill) -> list[Document]:
    """The pages of a file, refusing what is none. Raises BadBody, too if no page is left."""
    found, refused = documents(body)
    bill.refused += refused
    if not found and not refused:
        raise BadBody(Reason.EMPTY, "the file holds no page: save the answers of the API as they came")
    return found


def entries(holder: Mapping[str, Any], name: str, place: str, bill: Bill) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects in a member that is a list of them, with their places; what is none is refused."""
    value = holder.get(name)
    if not isinstance(value, list):
        reason, why = (Reason.MISSING_FIELD, "is missing") if value is None else (Reason.WRONG_TYPE, "is not a list")
        bill.refused.append(Refused(place, reason, f"field {name} {why}: save the answers of the API as they came"))
        return
    for number, entry in enumerate(value):
        where = f"{place}/{name}/{number}"
        if isinstance(entry, dict):
            yield where, entry
        else:
            bill.refused.append(Refused(where, Reason.WRONG_TYPE, "the record must be a JSON object"))


def bucket(place: str, start_ms: int | None, end_ms: int | None, start: str, end: str) -> Bucket:
    """A bucket of time. Raises BadField, with the names of the fields."""
    if start_ms is None or end_ms is None:
        name = start if start_ms is None else end
        raise BadField(name, Reason.MISSING_FIELD, "is missing: a result without its time belongs to no day")
    if not start_ms < end_ms <= start_ms + _LONGEST_MS:
        raise BadField(end, Reason.OUT_OF_RANGE, f"is not within a year after {start}")
    return Bucket(place, start_ms, end_ms)


def each(
    holder: Mapping[str, Any], name: str, place: str, bill: Bill, read: Callable[[str, dict[str, Any]], object]
) -> None:
    """Read every entry of a list; one with a field that cannot be read is refused, and costs no other."""
    for where, entry in entries(holder, name, place, bill):
        try:
            read(where, entry)
        except BadField as error:
            bill.refused.append(error.refused(where))
