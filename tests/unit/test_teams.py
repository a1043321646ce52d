"""Clubs: what a text names, and the rows of staging.teams."""

import polars as pl
import pytest

from etl.errors import ConfigurationError
from etl.transform import teams
from tests.staging_cases import CATALOGUE, CLUBS, config, frame, reference

# Hard inputs: text, season, code set, club (None: names no club, or several).
HARD = [
    ("LA", 2020, "any", None),
    ("Chicago", 2020, "any", None),
    ("Sox", 2020, "any", None),
    ("New York", 2020, "any", None),
    ("D", 2020, "any", None),
    ("A", 2020, "any", None),
    ("", 2020, "any", None),
    (None, 2020, "any", None),
    ("LOS", 2014, "sbr", 119),
    ("LOS", 2014, "any", None),
    ("LOS", 2014, "mlb", None),
    ("SD", 2020, "any", 135),
    ("SDG", 2014, "sbr", 135),
    ("AZ", 2020, "any", 109),
    ("Sacramento", 2025, "any", 133),
    ("Tampa Bay Devil Rays", 2007, "any", 139),
    ("California Angels", 1990, "any", 108),
    ("LAA", 2020, "mlb", 108),
    ("LAA", 2020, "bref", 108),
    ("LAA", 2020, "fangraphs", 108),
    ("LAA", 2020, "action_network", 108),
    ("LAA", 1962, "retrosheet", 108),
    ("LAA", 2020, "retrosheet", None),
    ("ANA", 2020, "retrosheet", 108),
    ("Indians", 2025, "sbd", 114),
    ("Oakland", 2025, "sbd", 133),
    ("ATH", 2017, "any", 133),
    ("Los Angeles", 1959, "any", 119),
    ("Los Angeles", 2020, "any", None),
    ("Los Angeles", None, "any", None),
    (" sl cardinals ", 2023, "any", 138),
    ("TEX Rangers", 2023, "any", 140),
    ("CHI White Sox", 2023, "any", 145),
    ("CHI Cubs", 2023, "any", 112),
    ("WAS Nationals", 2023, "any", 120),
    ("LA Angels", 2023, "any", 108),
    ("NY Mets", 2023, "any", 121),
    ("White Sox", 2023, "any", 145),
    ("St. Louis Cardinals", 2023, "any", 138),
    ("National League", 2018, "any", None),
    ("AL All-Stars", 2018, "any", None),
    ("Yomiuri Giants", 2018, "any", None),
]


def resolved(text, season, code_set):
    schema = {"text": pl.String, "season": pl.Int32, "code_set": pl.String}
    lf = pl.LazyFrame([(text, season, code_set)], schema=schema, orient="row")
    out = teams.with_team(lf, lookup=CLUBS, text="text", season="season", code_set="code_set", out="club")
    return out.collect()["club"].to_list()


@pytest.mark.parametrize(("text", "season", "code_set", "club"), HARD)
def test_hard_texts(text, season, code_set, club):
    assert resolved(text, season, code_set) == [club]


@pytest.mark.parametrize("case", reference("team_normaliser_cases"), ids=lambda case: case["input"])
def test_every_reference_text_is_among_the_hard_ones(case):
    assert case["input"] in {text for text, *_ in HARD}


@pytest.mark.parametrize("case", reference("team_aliases"), ids=lambda case: case["mlb_id"] + case["valid_from"])
def test_every_reference_name_resolves(case):
    season, club = int(case["valid_from"]), [int(case["mlb_id"])]
    assert resolved(case["nickname"], season, "any") == club
    assert resolved(f"{case['city']} {case['nickname']}", season, "any") == club
    assert resolved(f"{case['mlb_abbr']} {case['nickname']}", season, "any") == club
    assert resolved(case["mlb_abbr"], season, "mlb") == club
    assert resolved(case["retrosheet"].strip("?"), season, "retrosheet") == club
    assert resolved(case["aliases"].split("|")[0] or case["nickname"], season, "any") == club


def test_the_catalogue_has_every_reference_row():
    ours = {(str(n.team_id), str(n.valid_from), str(n.valid_to or "")) for n in CATALOGUE.names}
    assert ours == {(r["mlb_id"], r["valid_from"], r["valid_to"]) for r in reference("team_aliases")}


@pytest.mark.parametrize(
    ("source", "code_set"),
    [("SPORTSBOOKREVIEW", "sbr"), ("Action_Network", "action_network"), ("x", "any"), (None, "any")],
)
def test_code_set_of_a_feed(source, code_set):
    given = pl.select(teams.expr_code_set(pl.lit(source, dtype=pl.String), feeds=CLUBS.feeds))
    assert given.item() == code_set


def test_an_alias_is_one_line():
    given = config("teams")
    given["club"][0]["aliases"].append("Halo Kids")
    lookup = teams.club_lookup(teams.team_catalogue(given))
    assert lookup.always.filter(text="halo kids", code_set="any").select("team_id").collect().item() == 108


def test_an_entry_that_lacks_a_value_is_refused():
    given = config("teams")
    del given["club"][3]["league"]
    with pytest.raises(ConfigurationError, match="league"):
        teams.team_catalogue(given)


def test_staged_teams():
    rows = frame("raw_data.teams_raw", [{"id": 8, "team_id": 133}, {"id": 3, "team_id": 133}, {"id": 4}])
    out = teams.staged_teams(rows, CATALOGUE).collect()
    athletics = out.filter(pl.col("team_id") == 133).sort("valid_from")
    assert out.height == 40
    assert athletics.select("valid_from", "valid_to", "code", "city", "name", "raw_id").rows() == [
        (1968, 2024, "OAK", "Oakland", "Oakland Athletics", 3),
        (2025, None, "ATH", None, "Athletics", 3),
    ]
