"""Texts of input events: what no type of them can say."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from streams.core.reasons import Reason
from streams.core.rejections import Rejection

__all__ = ["refuse_controls"]

_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")


def refuse_controls(
    names: Sequence[str], texts: Sequence[str | None], attributes: Mapping[str, str]
) -> Rejection | None:  # fmt: skip
    """Why an event with these texts is refused, if it is: they become keys, labels and lines, and hold no controls.

    Attributes are only kept: in their values all but NUL may stand.
    """
    joined = "".join(filter(None, texts))
    if not joined.isprintable() and _CONTROL.search(joined):
        name = next(name for name, text in zip(names, texts, strict=True) if text and _CONTROL.search(text))
        return Rejection(Reason.FORBIDDEN_CHARACTER, f"field {name} holds a control character: remove it")
    if attributes and (_CONTROL.search("".join(attributes)) or "\0" in "".join(attributes.values())):
        detail = "field attributes holds a control character in a key or a NUL in a value: remove it"
        return Rejection(Reason.FORBIDDEN_CHARACTER, detail)
    return None
