"""Each line of the threat model names a test that is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_ROWS = [
    line.strip("|").split(" | ")
    for line in (ROOT / "SECURITY.md").read_text().splitlines()
    if line.startswith("|") and not line.startswith(("|---", "| who could"))
]


def test_the_model_speaks_of_each_kind_of_attack() -> None:
    begun = {word for row in _ROWS for word in re.findall(r"\*\*(.+?)\*\*", row[0])}
    assert begun == {"read", "forge", "replay", "flood", "single out"}


@pytest.mark.parametrize("row", _ROWS, ids=[row[0].strip(" *")[:60] for row in _ROWS])
def test_what_is_claimed_is_tested(row: list[str]) -> None:
    _, stops, shown = row
    assert stops.strip()
    file, _, name = shown.strip(" `").partition("::")
    assert re.search(rf"^\s*(?:async )?def {re.escape(name)}\(", (ROOT / file).read_text(), re.MULTILINE), shown
