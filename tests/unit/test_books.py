"""Books: what a line's texts and ids name, and the rows of staging.sportsbooks."""

import polars as pl
import pytest

from etl.errors import ConfigurationError
from etl.transform import books
from tests.staging_cases import BOOKS, SPORTSBOOKS, config, frame, reference

SHOPS = frame("raw_data.sportsbooks_raw", SPORTSBOOKS)
LOOKUP = books.book_lookup(SHOPS, BOOKS)


def resolved(**line):
    schema = dict.fromkeys(("source", "sportsbook", "external_source_id", "source_metadata"), pl.String)
    lf = pl.LazyFrame(
        [{**dict.fromkeys((*schema, "sportsbook_id")), **line}], schema={**schema, "sportsbook_id": pl.Int32}
    )
    return books.with_book_id(lf, lookup=LOOKUP).collect()["book_id"].to_list()


@pytest.mark.parametrize(
    ("line", "book_id"),
    [
        ({"source": "SBD", "sportsbook": " DraftKings "}, 4),
        ({"source": "ODDS_API", "sportsbook": "williamhill_us"}, 11),
        ({"source": None, "sportsbook": "fanduel", "sportsbook_id": 77}, 6),
        ({"source": "SBD", "sportsbook": "never heard of", "sportsbook_id": 12}, 6),
        ({"source": "SBD", "sportsbook": "never heard of", "sportsbook_id": 77}, 100077),
        ({"source": "SBD", "sportsbook": "JOE'S BOOK"}, 100077),
        ({"source": "SBD", "sportsbook": "never heard of"}, None),
        ({"source": "SBD"}, None),
        # At Action Network the id decides, wherever the row carries it.
        ({"source": "ACTION_NETWORK", "sportsbook": "15", "sportsbook_id": 12}, 901),
        ({"source": "ACTION_NETWORK", "sportsbook": "FanDuel", "source_metadata": '{"book_id": 30}'}, 902),
        ({"source": "ACTION_NETWORK", "sportsbook": "Pinnacle", "external_source_id": "75"}, 9),
        ({"source": "action_network", "sportsbook": "FanDuel", "external_source_id": "8123456"}, 6),
        ({"source": "ACTION_NETWORK", "sportsbook": "FanDuel", "source_metadata": '{"book_id": 4711}'}, None),
        ({"source": "SBD", "sportsbook": "FanDuel", "external_source_id": "75"}, 6),
    ],
)
def test_book_of_a_line(line, book_id):
    assert resolved(**line) == [book_id]


@pytest.mark.parametrize("case", reference("action_network_books"), ids=lambda case: case["an_book_id"])
def test_every_action_network_id_is_known(case):
    assert resolved(source="ACTION_NETWORK", sportsbook=case["an_book_id"]) != [None]


@pytest.mark.parametrize(
    ("an_id", "kind"), [("15", "consensus"), ("30", "opening"), ("67", "consensus"), ("3", "unlisted")]
)
def test_action_network_ids_that_are_no_books(an_id, kind):
    (book_id,) = resolved(source="ACTION_NETWORK", sportsbook=an_id)
    assert {book.book_id: book.kind for book in BOOKS}[book_id] == kind


def test_staged_sportsbooks():
    out = books.staged_sportsbooks(SHOPS, BOOKS).collect()
    rows = out.filter(pl.col("book_id").is_in([6, 7, 100077])).sort("book_id").rows()
    assert rows == [
        (6, "fanduel", "fanduel", "FanDuel", "book", "retail", [12]),
        (7, "fanduel_nj", "fanduel", "FanDuel NJ", "book", "retail", []),
        (100077, "joe's book", "joe's book", "Joe's Book", "unlisted", None, [77]),
    ]
    assert out["book_id"].is_unique().all()


def test_real_brands_are_books_alone():
    brands = books.real_brands(BOOKS)
    assert "draftkings" in brands
    assert not {"an_consensus", "an_open", "sbro_archive", "jsonodds_site_3"} & set(brands)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"book_id": 2}, "book_id 2"),
        ({"aliases": ["Circa"]}, "spelling circa"),
        ({"action_network_ids": [68]}, "Action Network id 68"),
        ({"kind": "bookie"}, "unknown kind"),
        ({"tier": "blunt"}, "unknown kind or tier"),
    ],
)
def test_a_wrong_catalogue_is_refused(change, message):
    given = config("sportsbooks")
    given["book"][0] |= change
    with pytest.raises(ConfigurationError, match=message):
        books.book_catalogue(given)


def test_a_tier_that_is_over_is_not_used():
    given = config("sportsbooks")
    given["book"][0]["tier_to"] = 2020
    assert books.book_catalogue(given)[0].tier is None
