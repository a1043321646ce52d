"""The same sample by other ways, in the other layout or phase by phase, gives the same rows."""

import pytest

from schemas import ZONES, tables_of
from tests import runs
from tests.runs import PUBLISHED, content, published, rows, sample
from tests.servers import execute

DERIVED = [table for zone in ("staging", "curated") for table in tables_of(zone)]
MARKET_OF = {"moneylines": "moneyline", "spreads": "spread", "totals": "totals"}
LEGACY = ("games_complete", "game_outcomes", "teams_master", "sportsbooks", "betting_lines_unified")


def names(table):
    return table.full_name


@pytest.fixture(scope="module")
def make(embedded):
    """Makes a database of this module, empty or a copy of another one."""
    admin, made = embedded.url("postgres"), []

    def create(name, template="template0"):
        execute(admin, f"create database ways_{name} template {template}")
        made.append(f"ways_{name}")
        return embedded.url(f"ways_{name}")

    yield create
    execute(admin, *(f"drop database {name} with (force)" for name in made))


@pytest.fixture(scope="module")
def legacy(make, tmp_path_factory):
    url = make("legacy")
    return url, sample(url, tmp_path_factory.mktemp("unified") / "truth")


@pytest.fixture(scope="module")
def at_once(make, legacy):
    """(target, report) of a run of all phases at once."""
    target = make("target")
    return target, published(legacy[0], target)


@pytest.fixture(scope="module")
def core(make, tmp_path_factory):
    """(target, report) of a run over the same sample in the other layout."""
    url, target = make("core"), make("core_target")
    sample(url, tmp_path_factory.mktemp("core") / "truth", layout="core_betting")
    return target, published(url, target, layout="core_betting")


@pytest.fixture(scope="module")
def apart(make, legacy):
    """A database that is legacy and target at once, loaded phase by phase; and the legacy before and after."""
    url = make("apart", template="ways_legacy")
    before = legacy_content(url)
    for phase in ("analyze,raw", "staging", "curated"):
        published(url, url, phases=phase)
    return url, before, legacy_content(url)


def legacy_content(url):
    digest = (
        "select count(*), md5(string_agg(t::text, ';' order by id)), max(tableoid::regclass::text) from curated.{} t"
    )
    return {name: rows(url, digest.format(name)) for name in LEGACY}


@pytest.mark.parametrize("table", DERIVED, ids=names)
def test_both_layouts_give_the_same_rows(at_once, core, legacy, table):
    counts = legacy[1]
    ids = {"moneyline": 0, "spread": counts.moneylines, "totals": counts.moneylines + counts.spreads}
    unified = runs.moved(
        content(at_once[0], table), lambda row: ids[row.get("market") or MARKET_OF.get(table.name, "moneyline")]
    )
    assert unified == runs.moved(content(core[0], table), lambda _: 0) != []


@pytest.mark.parametrize("table", PUBLISHED, ids=names)
def test_phases_apart_give_the_same_rows(at_once, apart, table):
    assert content(apart[0], table) == content(at_once[0], table) != []


def test_a_legacy_in_the_same_database_is_left_alone(apart):
    _, before, after = apart
    assert after == before


def test_phases_apart_publish_one_zone_after_the_other(apart):
    shown = [(table.full_name, str(ZONES.index(table.zone) + 1)) for table in PUBLISHED]
    assert runs.attached(apart[0]) == set(shown)
