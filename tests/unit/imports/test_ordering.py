"""Records come out in order of time, whatever order they came in."""

from hypothesis import given
from hypothesis import strategies as st

from streams.imports.ordering import InOrderOfTime
from streams.sources.contract import Form

RECORDS = st.lists(
    st.tuples(st.sampled_from(list(Form)), st.integers(-(2**40), 2**45), st.binary(max_size=20)), max_size=60
)


@given(RECORDS)
def test_all_that_went_in_comes_out_in_order_of_time(records: list[tuple[Form, int, bytes]]) -> None:
    with InOrderOfTime() as held:
        for record in records:
            held.add(*record)
        assert len(held) == len(records)
        batches = list(held.batches())
    wanted = sorted(records, key=lambda record: record[1])
    for form, values in (
        (Form.USAGE, [it for batch in batches for it in batch.usage]),
        (Form.OUTCOME, [it for batch in batches for it in batch.outcomes]),
    ):
        assert values == [value for each, _, value in wanted if each is form]


def test_outcomes_go_out_among_the_calls_of_their_time() -> None:
    with InOrderOfTime() as held:
        for at in reversed(range(2_500)):
            held.add(Form.OUTCOME if at % 2 else Form.USAGE, at, b"%d" % at)
        batches = list(held.batches())
    assert [len(batch.usage) + len(batch.outcomes) for batch in batches] == [1_000, 1_000, 500]
    assert max(int(it) for it in [*batches[0].usage, *batches[0].outcomes]) == 999
