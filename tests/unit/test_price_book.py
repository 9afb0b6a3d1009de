"""Reading price books: ours and LiteLLM's, and refusing with the line what cannot be right."""

from pathlib import Path

import orjson
import pytest

from streams.errors import ConfigError
from streams.price_book import load_price_book, read_price_book

OURS = """\
version: 2026-11
currency: usd
models:
  claude-sonnet-4-5:
    input: 3
    output: 15
    cache_read: 0.30
    cache_write: 3.75
    above_200k: {input: 6, output: 22.5}
    batch: {input: 1.5, output: 7.5, above_200k: {input: 3}}
  small:
    - {input: 0.075, output: 0.3}
    - {valid_from: 2026-07-01, input: 0.05, output: 0.2}
"""
LITELLM = {
    "sample_spec": {"input_cost_per_token": 0, "mode": "one of: chat, embedding"},
    "claude-sonnet-4-5": {
        "input_cost_per_token": 3e-06, "output_cost_per_token": 1.5e-05, "cache_read_input_token_cost": 3e-07,
        "cache_creation_input_token_cost": 3.75e-06, "cache_creation_input_token_cost_above_1hr": 6e-06,
        "input_cost_per_token_batches": 1.5e-06, "output_cost_per_token_batches": 7.5e-06,
        "input_cost_per_token_above_200k_tokens": 6e-06, "litellm_provider": "anthropic",
        "input_cost_per_token_priority": None, "supports_vision": True,
    },
    "tiny": {"input_cost_per_token": 1.3e-10, "output_cost_per_token": 0.0},
    "text-embedding": {"input_cost_per_token": 2e-08},
    "dall-e": {"output_cost_per_image": 0.04},
}  # fmt: skip
JUNE, JULY = 1_780_272_000_000, 1_782_864_000_000


@pytest.mark.parametrize("text", [OURS, orjson.dumps(LITELLM).decode()], ids=["ours", "litellm"])
def test_a_book_says_what_it_says(text: str) -> None:
    book = read_price_book(text, "prices")
    model = (None, "claude-sonnet-4-5-20250929", JUNE)
    assert book.cost(*model, 1_000, 1_000, 1_000, 1_000) == 3_000 + 300 + 3_750 + 15_000
    # What a variant or a tier does not say is as usual.
    assert book.cost(*model, 1_000, 1_000, 0, 1_000, "batch") == 1_500 + 300 + 7_500
    assert book.cost(*model, 200_000, 1_000_000, 0, 0) == 1_200_000 + 300_000
    assert book.cost(*model, 300_000, 0, 0, 0) == 1_800_000
    assert book.version


def test_prices_have_days() -> None:
    book = read_price_book(OURS, "prices")
    assert [book.cost(None, "small", at, 1_000_000, 0, 0, 0) for at in (JUNE, JULY)] == [75_000, 50_000]
    assert book.version == "2026-11"


def test_of_litellms_models_those_count_that_have_a_price_a_token() -> None:
    book = read_price_book(orjson.dumps(LITELLM).decode(), "prices")
    assert len(book) == 3
    assert book.cost(None, "tiny", JUNE, 1_000_000, 0, 0, 5) == 130
    assert book.cost(None, "text-embedding", JUNE, 1_000_000, 0, 0, 0) == 20_000
    assert book.cost(None, "dall-e", JUNE, 1, 0, 0, 0) is None
    assert book.cost(None, "sample_spec", JUNE, 1, 0, 0, 0) is None


def test_another_text_is_another_version() -> None:
    texts = [orjson.dumps(LITELLM).decode(), orjson.dumps(LITELLM, option=orjson.OPT_INDENT_2).decode()]
    assert len({read_price_book(text, "prices").version for text in texts}) == 2


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("output: 15\n", "output: -15\n", "line 6: output is -15: a price cannot be below zero"),
        ("    output: 15\n", "", "line 5: claude-sonnet-4-5 has no output: say it"),
        ("output: 15\n", "output: fifteen\n", "line 6: output must be a number"),
        ("output: 15\n", "output: .nan\n", "line 6: output must be a number"),
        ("output: 15\n", "output: 150000000\n", "line 6: output is 150000000: no token costs as much"),
        ("output: 15\n", "output:\n", "line 6: output must be a number of dollars"),
        ("output: 15\n", "output: []\n", "line 6: output must be a number of dollars"),
        (
            "output: 15\n",
            'output: "15"\n',
            "line 6: output must be a number of dollars a million tokens, without quotes",
        ),
        ("cache_read", "cache_reed", "line 7: cache_reed is not known here"),
        (
            "output: 15\n",
            "outptu: 15\n",
            "line 6: outptu is not known here: did you mean output? Else write one of above_200k (or ",
        ),
        (
            "above_200k: {input: 6",
            "abov_200k: {input: 6",
            "line 9: abov_200k is not known here: did you mean above_200k?",
        ),
        ("input: 3}", "xyz: 3}", "line 10: xyz is not known here: write one of cache_read, cache_write, input, output"),
        ("currency: usd", "currency: eur", "line 2: currency must be usd"),
        ("version: 2026-11\n", "", "line 1: the book has no version"),
        ("valid_from: 2026-07-01, ", "", "line 13: small has two prices from the same day"),
        ("2026-07-01", "July", "line 13: valid_from must be a day"),
        ("  small:\n", "  claude-sonnet-4-5:\n", "line 11: claude-sonnet-4-5 is there twice"),
        ("batch: {input: 1.5, output: 7.5", "batch: {input: 1.5", "line 10: batch has no output"),
        ("models:", "models: [", "not YAML"),
    ],
)
def test_a_wrong_book_is_refused_with_the_line(old: str, new: str, says: str) -> None:
    assert old in OURS
    with pytest.raises(ConfigError) as caught:
        read_price_book(OURS.replace(old, new, 1), "prices.yaml")
    assert f"prices.yaml, {says}" in str(caught.value) or says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            '{\n "a": {"input_cost_per_token": 1},\n "b": {"input_cost_per_token": -1e-6}}',
            "line 2: a: input_cost_per_token is 1:",
        ),
        ('{\n "a": {},\n "b": {"output_cost_per_token": -1e-6}}', "line 3: b: output_cost_per_token is -0.000001"),
        ('{\n "b": {"output_cost_per_token": "x"}}', "line 2: b: output_cost_per_token must be a number"),
        ('{\n "b": {"mode": "chat"}}', "no model has a price a token"),
        ("{", "not JSON"),
    ],
)
def test_a_wrong_json_is_refused(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=r"prices\.json") as caught:
        read_price_book(text, "prices.json")
    assert says in str(caught.value)


def test_a_book_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        load_price_book(tmp_path / "none.yaml")
    (tmp_path / "prices.yaml").write_text(OURS)
    assert len(load_price_book(tmp_path / "prices.yaml")) == 2
