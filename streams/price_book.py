"""Reads a price book: YAML of our own, or LiteLLM's public model price JSON as it is.

A book that cannot be right (a price below zero, a model without one, a word that is not known) is refused whole, at
start, with the line: a wrong price is worse than none, and nobody would notice it.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import yaml

from streams.core.prices import PriceBook, Rates, Tier, Variant
from streams.errors import ConfigError

__all__ = ["load_price_book", "read_price_book"]

#: Dollars a token, and dollars a million tokens, in pico-dollars a token.
_A_TOKEN: Final = 10**12
_A_MILLION: Final = 10**6
#: A hundred dollars for a thousand tokens: whatever is dearer was meant in another unit.
_DEAREST: Final = 10**11
_BUCKETS: Final = ("input", "output", "cache_read", "cache_write")
_VARIANTS: Final[Mapping[str, Variant]] = {"batch": "batch", "priority": "priority", "flex": "flex"}
_ABOVE: Final = re.compile(r"above_(\d+)k")
#: How such a key is written, for messages.
_ABOVE_EXAMPLE: Final = "above_200k"
_LITELLM: Final = re.compile(
    r"(?P<bucket>(?:input|output)_cost_per_token|cache_(?:read|creation)_input_token_cost)"
    r"(?:_above_(?P<above>\d+)k_tokens)?(?:_(?P<variant>batches|priority|flex))?"
)
_LITELLM_BUCKETS: Final = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write",
}
#: The entry that explains the others.
_SAMPLE: Final = "sample_spec"


def load_price_book(path: Path) -> PriceBook:
    """The book in a file. Raises ConfigError, which names the file, the line and the mend."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"prices: cannot read {path} ({error}); name a price book in YAML or JSON") from error
    return read_price_book(text, str(path))


def read_price_book(text: str, name: str) -> PriceBook:
    """The book in a text; ``name`` is what errors call it. Raises ConfigError."""
    return _litellm(text, name) if text.lstrip().startswith("{") else _ours(text, name)


def _ours(text: str, name: str) -> PriceBook:
    """``{version, currency: usd, models: {name: prices or a list of prices}}``, in dollars a million tokens."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: not YAML: {str(error).splitlines()[0]}") from error
    book = _Place(name, root, "the book").mapping({"version", "currency", "models"}, {"version", "models"})
    if "currency" in book and book["currency"].text().lower() != "usd":
        raise book["currency"].wrong("must be usd: convert the prices")
    models = {model: list(_validities(place)) for model, place in book["models"].entries()}
    return PriceBook(book["version"].text(), models)


class _Place:
    """A node of the YAML text, with the words to say where it is."""

    def __init__(self, book: str, node: yaml.Node | None, what: str) -> None:
        self._book = book
        self._node = node
        self.what = what

    def wrong(self, why: str) -> ConfigError:
        line = self._node.start_mark.line + 1 if self._node is not None else 1
        return ConfigError(f"{self._book}, line {line}: {self.what} {why}")

    def entries(self) -> Iterator[tuple[str, "_Place"]]:
        if not isinstance(self._node, yaml.MappingNode):
            raise self.wrong("must be a mapping of names")
        seen: set[str] = set()
        for key, value in self._node.value:
            place = _Place(self._book, value, str(key.value))
            if key.value in seen:
                raise _Place(self._book, key, str(key.value)).wrong("is there twice")
            seen.add(key.value)
            yield str(key.value), place

    def mapping(self, known: set[str], needed: set[str]) -> dict[str, "_Place"]:
        found = dict(self.entries())
        for word, place in found.items():
            if word not in known and not (_ABOVE.fullmatch(word) and "above" in known):
                raise place.wrong(f"is not known here: {_meant(word, known)}")
        for word in sorted(needed - found.keys()):
            raise self.wrong(f"has no {word}: say it")
        return found

    def items(self) -> list["_Place"]:
        if isinstance(self._node, yaml.SequenceNode):
            return [_Place(self._book, node, self.what) for node in self._node.value]
        return [self]

    def text(self) -> str:
        if not isinstance(self._node, yaml.ScalarNode) or not self._node.value:
            raise self.wrong("must be a text")
        return str(self._node.value)

    def price(self) -> int:
        node = self._node
        if isinstance(node, yaml.ScalarNode) and node.style is not None:
            # As in the policy: what is quoted is a text, and a book that says so was not meant for us.
            raise self.wrong("must be a number of dollars a million tokens, without quotes")
        try:
            dollars = Decimal(node.value if isinstance(node, yaml.ScalarNode) else "")
        except InvalidOperation:
            raise self.wrong("must be a number of dollars a million tokens") from None
        return _rate(dollars, _A_MILLION, self)

    def day_ms(self) -> int:
        try:
            day = date.fromisoformat(self.text())
        except ValueError:
            raise self.wrong("must be a day like 2026-01-31") from None
        return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000


def _meant(word: str, known: set[str]) -> str:
    """The key that was meant, if one is near, and all that may stand here, as the documentation writes them."""
    keys = [f"{_ABOVE_EXAMPLE} (or another number)" if key == "above" else key for key in sorted(known)]
    near = get_close_matches(word, [_ABOVE_EXAMPLE if key == "above" else key for key in sorted(known)], n=1)
    guess = f"did you mean {near[0]}? Else " if near else ""
    return f"{guess}write one of {', '.join(keys)}"


def _validities(place: _Place) -> Iterator[Tier]:
    """The tiers of one model: prices for ever, or a list of prices with ``valid_from`` each."""
    items = place.items()
    seen: set[int] = set()
    for item in items:
        words = item.mapping({*_BUCKETS, *_VARIANTS, "above", "valid_from"}, {"input", "output"})
        since = words.pop("valid_from").day_ms() if "valid_from" in words else 0
        if since in seen:
            raise item.wrong("has two prices from the same day: give each its valid_from")
        seen.add(since)
        yield from _tiers(words, since, "", Rates())


def _tiers(words: dict[str, _Place], since: int, variant: Variant, otherwise: Rates) -> Iterator[Tier]:
    """The tiers of one variant; what it does not say is as it is otherwise."""
    usual = otherwise._replace(**{bucket: words[bucket].price() for bucket in _BUCKETS if bucket in words})
    yield Tier(since, variant, 0, usual)
    for word, place in words.items():
        if above := _ABOVE.fullmatch(word):
            inner = place.mapping(set(_BUCKETS), set())
            better = {bucket: each.price() for bucket, each in inner.items()}
            yield Tier(since, variant, int(above[1]) * 1_000, usual._replace(**better))
        elif word in _VARIANTS:
            inner = place.mapping({*_BUCKETS, "above"}, {"input", "output"})
            yield from _tiers(inner, since, _VARIANTS[word], usual)


def _litellm(text: str, name: str) -> PriceBook:
    """LiteLLM's ``model_prices_and_context_window.json``: dollars a token, by model; images and the like are left out."""
    try:
        document: dict[str, Any] = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{name}, line {error.lineno}: not JSON: {error.msg}") from error
    models: dict[str, list[Tier]] = {}
    for model, said in document.items():
        if model == _SAMPLE or not isinstance(said, dict):
            continue
        place = _Entry(name, text, model)
        rates: dict[tuple[int, Variant], dict[str, int]] = {}
        for field, value in said.items():
            if (parts := _LITELLM.fullmatch(field)) is None or value is None:
                continue
            if not isinstance(value, Decimal):
                raise place.wrong(f"{field} must be a number of dollars a token")
            tier = (
                int(parts["above"] or 0) * 1_000,
                {"batches": "batch"}.get(parts["variant"], parts["variant"]) or "",
            )
            rates.setdefault(tier, {})[_LITELLM_BUCKETS[parts["bucket"]]] = _rate(value, _A_TOKEN, place, field)
        usual = rates.get((0, ""))
        if usual is not None:
            models[model] = [
                # What a tier or a variant does not say is as usual.
                Tier(0, variant, above, Rates(**(usual | rates.get((0, variant), {}) | found)))
                for (above, variant), found in rates.items()
            ]
    if not models:
        raise ConfigError(
            f"{name}: no model has a price a token: is this LiteLLM's model_prices_and_context_window.json?"
        )
    return PriceBook(blake2b(text.encode(), digest_size=6).hexdigest(), models)


class _Entry:
    """A model of LiteLLM's JSON, to say where it is."""

    def __init__(self, book: str, text: str, model: str) -> None:
        self._book, self._text, self._model = book, text, model

    def wrong(self, why: str) -> ConfigError:
        before, _, _ = self._text.partition(json.dumps(self._model))
        return ConfigError(f"{self._book}, line {before.count(chr(10)) + 1}: {self._model}: {why}")


def _rate(dollars: Decimal, unit: int, place: "_Place | _Entry", field: str = "") -> int:
    named = f"{field} " if field else ""
    if not dollars.is_finite() or dollars < 0:
        raise place.wrong(f"{named}is {dollars}: a price cannot be below zero")
    rate = int((dollars * unit).to_integral_value())
    if rate > _DEAREST:
        raise place.wrong(f"{named}is {dollars}: no token costs as much, give dollars a million tokens")
    return rate
