"""A difference between legacy and target, however small, stops the run; sums of parts add up; both servers agree."""

import json

import pytest

from etl import database, runner
from etl.check.checksum import checksum_checks
from etl.check.zones import check_zones, reading
from etl.errors import NotConserved
from etl.extract.legacy import open_legacy
from etl.extract.snapshot import open_snapshot
from etl.load import ledger
from etl.rowhash import Fold, agreed, as_value, row_hash
from etl.runner import finish
from tests.legacy_rows import databases, statements
from tests.runs import attached, rows, run, scalar
from tests.servers import execute

MONEY, TOTALS = (f"loads.raw_data_{name}_RUN" for name in ("moneylines_raw", "totals_raw"))
OF_REJECT = "update audit.rejects set row = row || jsonb_build_object({}) where table_name = '{}'"
OTHER_TEXT = "'unfit', '{\"odds_timestamp\": \"-infinity\"}'"
TWICE = (
    "update audit.sightings s set copies = 2 from audit.rejects r where r.reject_key = s.reject_key "
    "and s.run_id = RUN and r.table_name = 'spreads_raw'"
)
# statements over the run's loads -> table and batch that the error must name
TAMPERED = {
    "a number": ([f"update {MONEY} set home_ml = -151 where id = 1"], "moneylines_raw", 1),
    "an empty string for null": ([f"update {MONEY} set sportsbook = '' where id = 2"], "moneylines_raw", 1),
    "null for an empty string": ([f"update {MONEY} set source = null where id = 2"], "moneylines_raw", 1),
    "a blank": ([f"update {MONEY} set sportsbook = '' where id = 3"], "moneylines_raw", 1),
    "a microsecond": (
        [f"update {MONEY} set odds_timestamp = odds_timestamp + interval '1 us' where id = 1"], "moneylines_raw", 1,
    ),
    "a value under another name": (
        [f"update {MONEY} set home_ml = away_ml, away_ml = home_ml where id = 1"], "moneylines_raw", 1,
    ),
    "values that changed rows": (
        [f"update {MONEY} x set sportsbook = y.sportsbook from {MONEY} y where (x.id, y.id) in ((1, 3), (3, 1))"],
        "moneylines_raw", 1,
    ),
    "a row for another": (
        [
            f"delete from {MONEY} where id = 2",
            f"insert into {MONEY} select (jsonb_populate_record(x, '{{\"id\": 2}}')).* from {MONEY} x where id = 1",
        ],
        "moneylines_raw", 1,
    ),
    "an id": ([f"update {MONEY} set id = 100 where id = 2"], "moneylines_raw", 1),
    "a row in another batch": ([f"update {TOTALS} set batch_id = 1 where id = 6"], "totals_raw", 1),
    "json that looks the same": (
        [f"update {TOTALS} set source_metadata = jsonb_build_object('a', 1.1) where id = 5"], "totals_raw", 2,
    ),
    "unmapped": ([f"update {TOTALS} set unmapped = jsonb_build_object('home_ml', 1) where id = 5"], "totals_raw", 2),
    "a small table": (["update loads.raw_data_teams_raw_RUN set abbr = null"], "teams_raw", 0),
    "the text of a reject": ([OF_REJECT.format(OTHER_TEXT, "spreads_raw")], "spreads_raw", 2),
    "a value of a reject": ([OF_REJECT.format("'sportsbook', ''", "spreads_raw")], "spreads_raw", 2),
    "a line of no market": ([OF_REJECT.format("'market_type', 'props'", "no_market")], "no_market", 0),
    "a reject that is counted twice": ([TWICE], "spreads_raw", 2),
}  # fmt: skip


@pytest.fixture(scope="module")
def make(postgres):
    with databases(postgres, "checksum") as found:
        yield found


@pytest.fixture(scope="module")
def legacy(make):
    noted = "update curated.betting_lines_unified set source_metadata = '{\"a\": 1.10}' where id = 5"
    return make(*statements("unified"), noted)


@pytest.fixture(scope="module")
def loaded(make, legacy):
    """(target, run) of a published raw phase over the legacy."""
    target = make()
    outcome = run(legacy, target, phases="raw", validate=False, batch_rows=3)
    assert outcome.error is None, outcome.error
    return target, outcome.report.run_id


@pytest.fixture
def meddled(loaded):
    """Gives the checks of the run after some statements, which are undone."""
    target, run_id = loaded
    with database.session(target, autocommit=True) as connection:
        database.execute(connection, "begin")

        def checks(*statements):
            for statement in statements:
                database.execute(connection, statement.replace("RUN", str(run_id)))
            found = checksum_checks(connection, run_id, ledger.relations(ledger.current_map(connection)))
            return {check.name.partition(":")[0]: check for check in found}

        yield checks
        database.execute(connection, "rollback")


def failed(checks):
    return [name for name, check in checks.items() if not check.passed]


def test_what_a_run_loaded_is_what_the_legacy_has(meddled):
    checks = meddled()
    assert failed(checks) == []
    assert set(checks) == {
        "moneylines_raw", "spreads_raw", "totals_raw", "games_raw", "game_outcomes_raw", "sportsbooks_raw", "teams_raw",
        "no_market",
    }  # fmt: skip


@pytest.mark.parametrize("what", TAMPERED)
def test_a_difference_is_found_and_placed(meddled, what):
    statements, table, batch = TAMPERED[what]
    checks = meddled(*statements)
    assert failed(checks) == [table]
    assert checks[table].expected.startswith(f"batch {batch}: ")
    assert f"batch {batch}" in checks[table].sentence


def test_batches_that_were_not_summed_are_left_out(meddled):
    changed = f"update {MONEY} set home_ml = 1 where batch_id = 1"
    assert failed(meddled(changed)) == ["moneylines_raw"]
    assert failed(meddled("update audit.batches set checksums = null where run_id = RUN and batch_id = 1")) == []


@pytest.fixture
def tampered(make, legacy, monkeypatch):
    """Does a run over the legacy, whose loads are changed behind its back before it is proved."""
    target, seal = make(), finish.seal_loads

    def changed(*changes, **options):
        def meddle(request, run_id, relations, **rest):
            execute(target, *(change.replace("RUN", str(run_id)) for change in changes))
            seal(request, run_id, relations, **rest)

        monkeypatch.setattr(finish, "seal_loads", meddle)
        return target, run(legacy, target, phases="raw", validate=False, batch_rows=3, **options)

    return changed


def test_a_difference_stops_the_run(tampered):
    target, outcome = tampered(*TAMPERED["a number"][0])
    assert isinstance(outcome.error, NotConserved), outcome.error
    assert outcome.error.exit_code == 4
    assert "raw_data moneylines_raw: checksum: expected batch 1: " in outcome.error.message
    assert attached(target) == set()


def test_where_checksums_are_off_nothing_is_summed_and_nobody_notices(tampered):
    target, outcome = tampered(*TAMPERED["a number"][0], checksums=False)
    assert outcome.error is None, outcome.error
    assert [check for check in outcome.report.checks if "checksum" in check.name] == []
    assert scalar(target, "select count(checksums) from audit.batches") == 0


def test_a_published_zone_is_summed_again(loaded):
    target, _ = loaded
    with database.session(target, autocommit=True) as connection, reading(connection):
        checks = check_zones(connection, ["raw_data"], ledger.relations(ledger.current_map(connection)))
    assert [check.name for check in checks if not check.passed] == []
    assert sum(check.name.endswith(": checksum") for check in checks) == 8


def test_a_run_that_reads_no_legacy_has_no_sums(loaded):
    target, _ = loaded
    outcome = run(target, target, phases="staging", validate=False)
    assert outcome.error is None, outcome.error
    assert [check for check in outcome.report.checks if "checksum" in check.name] == []


def test_the_legacys_own_sums_are_those_that_are_kept_with_the_batches(loaded, legacy):
    target, run_id = loaded
    kept = rows(target, f"select checksums::text from audit.batches where run_id = {run_id}")
    with open_snapshot(legacy) as snapshot:
        source = open_legacy(snapshot, runner.load_layout("unified"), refuse_unmapped=False, fold=Fold.RECORD)
        whole = source.checksum("moneylines_raw")
        parts = [source.checksum("moneylines_raw", condition) for condition in ("id = 1", "id <> 1")]
        strays = source.stray_checksum()
    noted = {name: entry for (text,) in kept for name, entry in json.loads(text).items() if entry["rows"]}
    assert (noted["raw_data.moneylines_raw"]["rows"], noted["raw_data.moneylines_raw"]["sum"]) == whole
    assert (sum(n for n, _ in parts), str(sum(int(total) for _, total in parts))) == whole
    assert noted["raw_data.no_market"] == {"rows": 1, "sum": str(strays.total), "fold": "record", "texts": []}


@pytest.mark.parametrize("fold", Fold)
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("(null::text), ('')", "(''), (null)"),
        ("('a'), ('b')", "('b'), ('a')"),
        ("('a'::text), ('b')", "('b'), ('a')"),
        ("('a,b'::text), ('')", "('a'), (',b')"),
        ("('\"'::text), ('')", "('\"\"'), ('')"),
        ("('é'::text), ('')", "('e\u0301'), ('')"),
    ],
)
def test_different_rows_have_different_sums(postgres, fold, one, other):
    """Two rows of a number and a value."""
    hashed = row_hash(["n", as_value("v", "text")], "n", fold)
    query = f"select sum({hashed})::text from (select v, row_number() over () as n from (values {{}}) x(v)) y"
    url = postgres.url("postgres")
    assert scalar(url, query.format(one)) == scalar(url, query.format(one)) != scalar(url, query.format(other))


def test_values_that_change_places_between_rows_change_the_sum(postgres):
    """A record's hash is linear in those of its values: without a seed for each row this would not show."""
    hashed = row_hash(["id", "a", "b"], "id", Fold.RECORD)
    query = f"select mod(sum({hashed}), 18446744073709551616)::text from (values {{}}) x(id, a, b)"
    url = postgres.url("postgres")
    assert scalar(url, query.format("(1, 10, 7), (2, 20, 8)")) != scalar(url, query.format("(1, 20, 7), (2, 10, 8)"))


def asks(url, facts=None):
    """Asks a database; `facts` is what it says of its version and encoding."""
    return lambda query: [facts] if facts and "server_encoding" in query else rows(url, query)


@pytest.mark.parametrize(
    ("facts", "fold"),
    [
        (None, Fold.RECORD),
        ((180004, "UTF8"), Fold.RECORD),
        ((130020, "UTF8"), Fold.TEXT),
        ((150000, "LATIN1"), Fold.MD5),
        ((150000, "SQL_ASCII"), Fold.MD5),
    ],
)
def test_servers_agree_on_the_fastest_way_that_both_know(embedded, debian, facts, fold):
    assert agreed(asks(embedded.url("postgres")), asks(debian.url("postgres"), facts)) == fold


def test_servers_that_hash_differently_agree_on_md5(embedded):
    def other(query):
        return rows(embedded.url("postgres"), query) if "server_encoding" in query else [("1",)]

    assert agreed(asks(embedded.url("postgres")), other) == Fold.MD5


@pytest.mark.parametrize("fold", Fold)
def test_both_servers_find_the_same_hash(embedded, debian, fold):
    values = ["7", "null::int", "1.50::numeric(5,2)", "true", "'infinity'::timestamptz", "'2024-02-29'::date"]
    values += [as_value("'é ⚾'::text", "text"), as_value("'{\"a\": 1.10}'::jsonb", "jsonb")]
    values += [as_value("'-0'::float8", "double precision"), as_value("'NaN'::float8", "double precision")]
    query = f"select {row_hash(values, '7', fold)}"
    assert scalar(embedded.url("postgres"), query) == scalar(debian.url("postgres"), query)
