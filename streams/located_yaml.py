"""YAML read strictly, with the line of everything: what is wrong is collected, so that all of it is told at once.

The nodes of the text are asked for what should be there. Whatever else is there is a problem with its line, its dotted
key and the mend, and None is the answer; after the last question :meth:`Problems.raise_any` raises what came together.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from difflib import get_close_matches
from fractions import Fraction
from pathlib import Path
from typing import Final

import yaml

from streams.errors import ConfigError

__all__ = ["MAX_BYTES", "Place", "Problems", "read_located"]

#: Five thousand teams with all that can be said about them; and it is read within two seconds.
MAX_BYTES: Final = 1_048_576
#: No file of ours nests deeper than four levels.
_MAX_DEPTH: Final = 20
#: As in YAML 1.2: what 1.1 has beyond it is misread by people (010 is eight, 1:30 is ninety).
_NUMBER: Final = re.compile(
    r"[-+]?(?:(?:0|[1-9](?:_?[0-9]){0,19})(?:\.[0-9]{0,20})?|\.[0-9]{1,20})(?:[eE][-+]?[0-9]{1,2})?"
)
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TAG: Final = "tag:yaml.org,2002:"
#: What YAML 1.1 takes numbers for: 5e5 is text to it.
_NUMERIC: Final = frozenset({f"{_TAG}int", f"{_TAG}float", f"{_TAG}str"})
_SHOWN: Final = 60
#: Longer names are no mistypings of a key, and comparing them takes long.
_LONGEST_MISTYPED: Final = 64


class Problems:
    """What is wrong with one file, by line."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._lines: list[tuple[int, str]] = []

    def add(self, line: int, key: str, why: str) -> None:
        """Note a problem; ``key`` is empty for the file as a whole."""
        self._lines.append((line, f"{self._file}, line {line}: {f'{key}: ' if key else ''}{why}"))

    def raise_any(self) -> None:
        """Raise ConfigError with one line per problem, in the order of the file, if there is any."""
        if self._lines:
            raise ConfigError("\n".join(text for _, text in sorted(self._lines, key=lambda each: each[0])))


class Place:
    """A node of the text, its dotted key and the key's line. What cannot be answered is a problem, and None."""

    def __init__(self, node: yaml.Node | None, line: int, key: str, problems: Problems) -> None:
        self._node = node
        self._line = line
        self._problems = problems
        self.key = key

    def wrong(self, why: str) -> None:
        """Note what is wrong here."""
        self._problems.add(self._line, self.key, why)

    def refuse(self, mend: str, *, plain: bool = False) -> None:
        """Note that the value is not valid, and what would be; ``plain`` says that quotes alone can be the mistake."""
        if not isinstance(self._node, yaml.ScalarNode):
            self.wrong(f"this is no single value; {mend}")
        elif self._node.tag == f"{_TAG}null":
            self.wrong(f"has no value; {mend}, or leave the key out")
        elif not self._node.tag.startswith(_TAG):
            self.wrong(f"the tag {_shown(self._node.tag)} is refused; leave it out")
        else:
            quoted = self._node.style is not None
            without = ", without quotes" if plain and quoted else ""
            self.wrong(f"{_shown(self._node.value, quoted=quoted)} is not valid; {mend}{without}")

    def entries(self) -> Iterator[tuple[str, "Place"]]:
        """Names and what stands below each; nothing at all is as good as no names. A name given twice is wrong."""
        if self._node is None or self._node.tag == f"{_TAG}null":
            return
        if not isinstance(self._node, yaml.MappingNode) or self._node.tag != f"{_TAG}map":
            self.wrong("give its keys below it, indented")
            return
        lines: dict[str, int] = {}
        for key, value in self._node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode) or key.tag in (f"{_TAG}null", f"{_TAG}merge"):
                self._problems.add(line, self.key, "a key here is no name; give a text, and quote it if it is ~ or <<")
                continue
            name = str(key.value)
            dotted = f"{self.key}.{_shown(name)}" if self.key else _shown(name)
            if name in lines:
                self._problems.add(line, dotted, f"given twice, first in line {lines[name]}; keep one of them")
                continue
            lines[name] = line
            yield name, Place(value, line, dotted, self._problems)

    def items(self) -> Iterator["Place"]:
        """What stands behind each dash; the key of each is its number, counted from 1."""
        if self._node is None or self._node.tag == f"{_TAG}null":
            return
        if not isinstance(self._node, yaml.SequenceNode) or self._node.tag != f"{_TAG}seq":
            self.wrong("give a list, a dash before each of its entries")
            return
        for number, node in enumerate(self._node.value, start=1):
            yield Place(node, node.start_mark.line + 1, f"{self.key}[{number}]", self._problems)

    def fields(self, known: Sequence[str], elsewhere: Mapping[str, str] | None = None) -> dict[str, "Place"]:
        """What stands below each known key; ``elsewhere`` has the whole name of those that belong to other places."""
        found = {}
        for name, place in self.entries():
            if name in known:
                found[name] = place
            else:
                place.wrong(f"unknown key; {_nearest(name, known, elsewhere or {})}")
        return found

    def text(self) -> str | None:
        """A text that is not empty."""
        if isinstance(self._node, yaml.ScalarNode) and self._node.tag == f"{_TAG}str" and self._node.value:
            return str(self._node.value)
        self.refuse("give a text; quote what YAML takes for something else")
        return None

    def boolean(self) -> bool | None:
        """True or false."""
        known = isinstance(self._node, yaml.ScalarNode) and self._node.tag == f"{_TAG}bool"
        value = yaml.SafeLoader.bool_values.get(self._node.value.lower()) if self._node is not None and known else None
        if value is None:
            self.refuse("give true or false", plain=True)
        return value

    def number(
        self, low: Fraction | int, high: Fraction | int, *, above: bool = False, more: str = ""
    ) -> Fraction | None:
        """A number from ``low``, or above it, to ``high``, exactly as written; ``more`` is added to the mend."""
        value = self._number()
        if value is not None and (low < value if above else low <= value) and value <= high:
            return value
        span = f"above {_number(low)}, up to {_number(high)}" if above else f"from {_number(low)} to {_number(high)}"
        self.refuse(f"give a number {span}{more}", plain=True)
        return None

    def whole(self, low: int, high: int, more: str = "") -> int | None:
        """A whole number from ``low`` to ``high``; ``more`` is added to the mend."""
        value = self._number()
        if value is not None and value.denominator == 1 and low <= value <= high:
            return int(value)
        self.refuse(f"give a whole number from {low:,} to {high:,}{more}", plain=True)
        return None

    def day(self) -> date | None:
        """A day of this century, as far as anyone plans."""
        try:
            if isinstance(self._node, yaml.ScalarNode) and _DAY.fullmatch(self._node.value):
                found = date.fromisoformat(self._node.value)
                if 2020 <= found.year < 2100:
                    return found
        except ValueError:
            pass
        self.refuse("give a day from 2020-01-01 to 2099-12-31, like 2027-01-31")
        return None

    def _number(self) -> Fraction | None:
        node = self._node
        if not isinstance(node, yaml.ScalarNode) or node.style is not None or node.tag not in _NUMERIC:
            return None
        return Fraction(node.value) if _NUMBER.fullmatch(node.value) else None


class _Loader(yaml.SafeLoader):
    """Refuses what makes a short text a large one, or a deep one; nothing is constructed from it."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        mark = event.start_mark
        if isinstance(event, yaml.AliasEvent):
            problem = f"the alias *{event.anchor} is refused; write out what it stands for"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
        if self._depth >= _MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem="nested too deeply", problem_mark=mark)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


def read_located(path: Path, what: str) -> tuple[Place, Problems]:
    """The top of a YAML file; ``what`` is what errors call the file if it cannot be read.

    Raises ConfigError if it cannot be read, is longer than :data:`MAX_BYTES`, or is not YAML.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{what}: cannot read {path} ({error.strerror}); name a file this user may read") from error
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{what}: {path} is longer than {MAX_BYTES:,} bytes; name a {what} file")
    try:
        text = content.decode("utf-8")
        root = yaml.compose(text, Loader=_Loader)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}, line {line}: not text; save the file as UTF-8") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"{path}, line {line}: holds the character U+{error.character:04X}; remove it") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}, line {line}: not valid YAML: {error.problem}") from error
    problems = Problems(str(path))
    return Place(root, 1, "", problems), problems


def _nearest(name: str, known: Sequence[str], elsewhere: Mapping[str, str]) -> str:
    if len(name) <= _LONGEST_MISTYPED:
        if near := get_close_matches(name, known, n=1, cutoff=0.7):
            return f"did you mean {near[0]}?"
        if near := get_close_matches(name, elsewhere, n=1, cutoff=0.7):
            return f"did you mean {elsewhere[near[0]]}?"
    return f"write one of {', '.join(known)}"


def _number(value: Fraction | int) -> str:
    return f"{int(value):,}" if value == int(value) else f"{float(value):g}"


def _shown(text: str, *, quoted: bool = False) -> str:
    """A name or a value in one line, shortened."""
    short = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
    return short if short.isprintable() and short and not quoted else repr(short)
