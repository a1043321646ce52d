import polars as pl
import pytest

from etl.transform.line_consensus import line_figures
from etl.transform.market_quotes import TOTALS, quotes_of
from tests.staged_cases import params, quote, staged

P40, P50, P60, P75 = (150, -150), (100, 100), (-150, 150), (-300, 300)
ASKED = 99


def figures(rows, **changes):
    settings = params(**changes)
    frames = staged(totals=rows)
    quotes = quotes_of(
        frames["totals"], market=TOTALS, games=frames["games"], books=frames["sportsbooks"], params=settings
    )
    ids = quotes.select("order", "raw_id")
    found = quotes.pipe(line_figures, params=settings).join(ids, on="order").filter(pl.col("raw_id") == ASKED).collect()
    return found.row(0, named=True) if found.height else None


def at(prices, book_id, ago_min=100, line=8.0, **more):
    return quote(*prices, book_id=book_id, ago_min=ago_min, line=line, **more)


OTHERS = [at(P40, 2), at(P50, 3), at(P60, 4)]


def test_the_own_brand_is_left_out():
    found = figures([*OTHERS, at(P75, 1, ago_min=90, raw_id=ASKED)])
    assert found["n_other_books"] == 3
    assert found["consensus_p_a_loo"] == pytest.approx(0.5)
    assert found["consensus_line"] == 8.0
    assert found["p_sharp_loo"] is None


@pytest.mark.parametrize("own", [P40, P50, P60, P75, (400, -400)])
def test_the_own_price_never_moves_the_consensus_of_the_others(own):
    odd = figures([*OTHERS, at(own, 1, ago_min=90, raw_id=ASKED)])
    even = figures([*OTHERS, at(P60, 5), at(own, 1, ago_min=90, raw_id=ASKED)])
    assert odd["consensus_p_a_loo"] == pytest.approx(0.5)
    assert even["consensus_p_a_loo"] == pytest.approx(1 / (1 + (2 / 3) ** 0.5))


def test_an_even_number_of_others_takes_the_middle_of_their_log_odds():
    found = figures([*OTHERS, at(P60, 5), at(P75, 1, ago_min=90, raw_id=ASKED)])
    assert found["consensus_p_a_loo"] == pytest.approx(1 / (1 + (2 / 3) ** 0.5))
    assert found["p_sharp_loo"] == pytest.approx(0.6)


def test_other_lines_do_not_count_for_the_consensus_at_this_line():
    rows = [at(P50, 2), at(P50, 3), at(P50, 4, line=8.5), at(P60, 1, ago_min=90, raw_id=ASKED)]
    found = figures(rows)
    assert found["n_other_books"] == 3
    assert found["consensus_p_a_loo"] is None


def test_nothing_recorded_after_the_line_counts():
    late = at(P50, 4, ago_min=100, lag_s=601)
    found = figures([at(P40, 2), at(P50, 3), late, at(P75, 1, ago_min=90, lag_s=0, raw_id=ASKED)])
    assert found["n_other_books"] == 2


def test_a_quote_of_the_same_instant_counts():
    found = figures([at(P40, 2, ago_min=90), at(P75, 1, ago_min=90, raw_id=ASKED)])
    assert found["n_other_books"] == 1


def test_a_stale_quote_does_not_count():
    found = figures([at(P40, 2, ago_min=90 + 24 * 60 + 1), at(P75, 1, ago_min=90, lag_s=0, raw_id=ASKED)])
    assert found["n_other_books"] == 0
    assert found["consensus_line"] == 8.0


def test_a_late_record_of_an_old_quote_does_not_replace_a_newer_one():
    old = at(P75, 2, ago_min=110, lag_s=1000, line=9.0)
    found = figures([at(P40, 2, ago_min=100), old, at(P50, 1, ago_min=90, raw_id=ASKED)])
    assert found["n_other_books"] == 1
    assert found["consensus_line"] == 8.0


def test_a_pseudo_book_is_compared_but_never_counted():
    rows = [*OTHERS, at(P75, 7, ago_min=95), at(P75, 6, ago_min=90, raw_id=ASKED)]
    found = figures(rows)
    assert found["n_other_books"] == 3
    assert found["consensus_p_a_loo"] == pytest.approx(0.5)


@pytest.mark.parametrize("change", [{"ago_min": -1}, {"observed_at": None, "recorded_at": None}])
def test_a_line_in_play_or_without_a_clock_has_no_market(change):
    assert figures([*OTHERS, at(P75, 1, **{"ago_min": 90} | change, raw_id=ASKED)]) is None
