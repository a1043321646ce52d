"""`validate --deep`: what readers see in raw_data, against the legacy as it is at this moment."""

import pytest

from etl import runner
from etl.runner.look import check_legacy
from tests.legacy_rows import databases, statements
from tests.runs import rows, run
from tests.servers import execute

LAYOUTS = ("unified", "core_betting")
LINES = {"unified": "curated.betting_lines_unified", "core_betting": "core_betting.betting_lines_moneyline"}
TABLES = {
    "moneylines_raw", "spreads_raw", "totals_raw", "games_raw", "game_outcomes_raw", "sportsbooks_raw", "teams_raw",
}  # fmt: skip


@pytest.fixture(scope="module", params=LAYOUTS)
def layout(request):
    return request.param


@pytest.fixture
def place(postgres, layout):
    """(legacy, target) after a raw phase, rejects included."""
    with databases(postgres, "deep") as make:
        legacy, target = make(*statements(layout)), make()
        outcome = run(legacy, target, phases="raw", layout=layout, validate=False, batch_rows=3, checksums=False)
        assert outcome.error is None, outcome.error
        assert rows(target, "select 1 from audit.rejects")
        yield legacy, target


def verdicts(place, layout):
    found = check_legacy(place[0], runner.load_layout(layout), place[1])
    return {check.name.removesuffix(": legacy now"): check.passed for check in found}


def test_what_was_loaded_and_rejected_is_all_that_the_legacy_holds(place, layout):
    found = verdicts(place, layout)
    assert found.keys() >= TABLES
    assert set(found.values()) == {True}
    stored = rows(place[1], "select passed from audit.checks where name like '%: legacy now'")
    assert stored == [(True,)] * len(found)


@pytest.mark.parametrize("change", ["update {} set sportsbook = 'another' where id = 1", "delete from {} where id = 1"])
def test_a_legacy_that_changed_since_is_told_by_table(place, layout, change):
    execute(place[0], change.format(LINES[layout]))
    found = verdicts(place, layout)
    assert [name for name, passed in found.items() if not passed] == ["moneylines_raw"]


def test_nothing_is_compared_where_nothing_was_published(postgres, layout):
    with databases(postgres, "deep") as make:
        assert check_legacy(make(*statements(layout)), runner.load_layout(layout), make()) == []
