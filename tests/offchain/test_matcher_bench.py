"""The matcher's benchmark measures the same matching on both sides."""

from scripts.bench.matching import accepts, arrivals, as_rows, by_book, measure_matching, naive


def test_arrivals__same_at_each_run_and_matched_alike() -> None:
    assert [*arrivals(300)] == [*arrivals(300)]
    assert naive(arrivals(300)) == by_book(arrivals(300)) > 30
    assert [one.hash for one in accepts(3)] == [one.key for one in arrivals(3)]


def test_measure__every_part__sees_as_many_meet() -> None:
    rows = as_rows(measure_matching(300, 300))
    assert {row["met"] for row in rows} == {rows[0]["met"]}
    assert rows[0]["times_naive"] == 1.0
