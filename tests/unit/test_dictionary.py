from pathlib import Path

import pytest

from schemas import TABLES
from schemas.dictionary import render

PAGE = Path(__file__).parents[2] / "docs" / "dictionary.md"


def test_the_page_is_what_the_contracts_say():
    assert PAGE.read_text(encoding="utf-8") == render(), "docs/dictionary.md is stale: just docs"


@pytest.mark.parametrize("name", TABLES)
def test_every_table_has_its_section(name):
    assert f"\n### {name}\n" in render()


@pytest.mark.parametrize(
    "line",
    [
        "- key: (bet_type, id, team_type), which follows from the keys of its parents: it has no unique index",
        "- expected rows: 2 x (moneylines_raw + spreads_raw + totals_raw)",
        "- references: (game_id) -> staging.games (game_id)",
        "| `total_line` | double precision | runs |  | Total | at least 4; at most 20 |  |",
        "| `is_in_play` | boolean |  | observed_at unknown | Quoted at or after the scheduled start |  |  |",
    ],
)
def test_the_page_tells_keys_counts_references_and_columns(line):
    assert line in render().splitlines()
