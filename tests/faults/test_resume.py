"""What happens to a source while a run lies still: what has changed is done again, and what came is added."""

import pytest

from etl import database
from etl.errors import ConfigurationError, ResumeRefused
from etl.load import standing
from etl.runner import RetryPolicy
from etl.settings import load_settings
from schemas import TABLES
from tests import runs
from tests.faults import gates
from tests.servers import execute

ONCE = RetryPolicy(attempts=1, base_s=0.01, max_s=0.01)
LINES, GAMES = "curated.betting_lines_base", "curated.games_complete"
PLANNED = "select jsonb_array_length(plan) from audit.runs where run_id = 2"


def copied_line(line, given):
    """SQL that puts copies of lines into the legacy, with other values; `given`: SQL of a jsonb object."""
    return f"insert into {LINES} select (jsonb_populate_record(l, {given})).* from {LINES} l where {line}"


# What is done to the source; what the run does again, and why; how many batches it adds.
ALTERED = {
    "nothing": ("select 1", {}, 0),
    "a value of a batch that is in": (
        f"update {LINES} set away_ml = away_ml + 1 where id = 10",
        {1: "moneylines_raw has 160 rows as before, and other values"},
        0,
    ),
    "a line of a batch that is in": (
        f"delete from {LINES} where id = 10",
        {1: "moneylines_raw had 160 rows, has 159"},
        0,
    ),
    "a line of the batch that failed": (f"delete from {LINES} where id = {gates.ROW}", {}, 0),
    "a line before all others": (copied_line("id = 10", """'{"id": 1}'"""), {}, 1),
    "lines after all others": (copied_line("id < 300", "jsonb_build_object('id', id + 10000)"), {}, 2),
    "a game": (
        f"update {GAMES} set venue_name = 'elsewhere' where id = (select min(id) from {GAMES})",
        {0: "games_raw has 51 rows as before, and other values"},
        0,
    ),
    "a club and a line": (
        f"with gone as (delete from {LINES} where id = 630) update curated.teams_master set abbr = 'x' where id = 1",
        {0: "teams_raw has 30 rows as before, and other values", 4: "totals_raw had 152 rows, has 151"},
        0,
    ),
}


@pytest.fixture(scope="module")
def stopped(embedded, template):
    """A database with a raw run, number 2, that lacks its second batch; nothing stands in its way any more."""
    admin = embedded.url("postgres")
    execute(admin, f"create database faults_stopped template {template}")
    url = embedded.url("faults_stopped")
    gates.refuse(url, "23514", 1)
    assert run(url, retry=ONCE).error is not None
    yield "faults_stopped"
    execute(admin, "drop database faults_stopped with (force)")


@pytest.fixture
def place(embedded, stopped):
    with gates.copied(embedded, stopped) as url:
        yield url


def run(url, **options):
    return runs.run(url, url, phases="raw", batch_rows=gates.BATCH_ROWS, workers=2, **options)


def resumed(url, **options):
    return runs.resumed(url, url, 2, **{"phases": "raw", "batch_rows": gates.BATCH_ROWS} | options)


def require_like_a_fresh_run(url, outcome):
    assert outcome.error is None, outcome.error
    assert outcome.report.published
    content, shown = gates.content(url), gates.shown(url)
    fresh = run(url)
    assert fresh.error is None
    assert gates.content(url) == content
    assert gates.shown(url)[::2] == shown[::2]


@pytest.mark.parametrize("change", ALTERED)
def test_a_resumed_run_has_what_the_source_has_now(place, change):
    sql, redone, new_batches = ALTERED[change]
    planned = runs.scalar(place, PLANNED)
    execute(place, sql)
    outcome = resumed(place)
    assert outcome.report.details["resumed"]["redone_batches"] == redone
    # Batch 0 and all of the plan but the one that failed were in.
    assert outcome.report.details["resumed"]["kept_batches"] == planned - len(redone)
    assert runs.scalar(place, PLANNED) == planned + new_batches
    require_like_a_fresh_run(place, outcome)


@pytest.mark.parametrize("change", ["a line of a batch that is in", "lines after all others"])
def test_without_checksums_counts_are_compared(place, change):
    sql, redone, _ = ALTERED[change]
    execute(place, "update audit.batches set checksums = null where run_id = 2", sql)
    outcome = resumed(place)
    assert outcome.report.details["resumed"]["redone_batches"] == redone
    require_like_a_fresh_run(place, outcome)


def test_a_line_of_no_market_that_came_is_a_reject(place):
    execute(
        place,
        f"alter table {LINES} drop constraint betting_lines_unified_market_type_check",
        f"update {LINES} set market_type = 'props' where id = {gates.ROW}",
    )
    outcome = resumed(place)
    assert outcome.report.details["resumed"]["redone_batches"] == {0: "0 lines had no known market, 1 have none"}
    require_like_a_fresh_run(place, outcome)


def test_rejects_of_a_batch_that_is_done_again_are_counted_once(place):
    execute(place, f"update {LINES} set odds_timestamp = 'infinity' where id in (10, {gates.ROW})")
    assert resumed(place).error is None
    found = runs.rows(
        place,
        "select batch_id, source_id, copies from audit.sightings join audit.rejects using (reject_key) "
        "where run_id = 2 order by 1",
    )
    assert found == [(1, "10", 1), (2, "200", 1)]


DIFFERENCES = {
    "code_version": "code 0.0.1 then, ",
    "contracts_hash": "contracts 0.0.1 then, ",
    "config_hash": "configuration 0.0.1 then, ",
    "layout": "layout 0.0.1 then, unified now",
}


@pytest.mark.parametrize("column", DIFFERENCES)
def test_what_differs_from_the_run_is_named(place, column):
    execute(place, f"update audit.runs set {column} = '0.0.1' where run_id = 2")
    with pytest.raises(ResumeRefused) as refused:
        resumed(place)
    assert f"run 2 cannot be gone on with: {DIFFERENCES[column]}" in refused.value.message
    assert runs.scalar(place, "select status from audit.runs where run_id = 2") == "failed"


def test_changed_settings_are_named(place):
    changed = "update audit.runs set basis = jsonb_set(basis, '{curated.devig_method}', '\"shin\"'), config_hash = 'x'"
    execute(place, changed)
    with pytest.raises(ResumeRefused, match="changed settings: curated.devig_method"):
        resumed(place)


def test_other_phases_are_refused(place):
    with pytest.raises(ResumeRefused, match="phases raw then, raw,staging now"):
        resumed(place, phases="raw,staging")


@pytest.mark.parametrize(
    ("status", "said", "step"),
    [
        ("filled", "run 2 is filled and only has to be published", "etl publish 2"),
        ("published", "run 2 is published: there is nothing left to do", "etl run"),
        ("dry_run", "run 2 was a dry run, which writes nothing", "etl run"),
    ],
)
def test_a_run_at_its_end_is_refused(place, status, said, step):
    execute(place, f"update audit.runs set status = '{status}' where run_id = 2")
    with pytest.raises(ResumeRefused) as refused:
        resumed(place)
    assert (refused.value.message, refused.value.next_step) == (said, step)


def test_a_replay_of_rejects_is_refused(place):
    execute(place, "update audit.runs set replay = '{}' where run_id = 2")
    with pytest.raises(ResumeRefused, match="run 2 put rejects back: that is begun anew"):
        resumed(place)


def test_a_run_that_never_was_is_refused(place):
    with pytest.raises(ConfigurationError, match="there is no run 7"):
        runs.resumed(place, place, 7, phases="raw")


def test_a_run_without_its_loads_is_refused(place):
    execute(place, "drop table loads.raw_data_totals_raw_2")
    with pytest.raises(ResumeRefused, match=r"1 of its loads were dropped, loads.raw_data_totals_raw_2 among them"):
        resumed(place)


def test_what_the_dead_run_left_at_work_is_ended(place):
    with database.session(place, autocommit=True, name=standing.session_name(2)) as left:
        database.execute(left, "begin")
        database.execute(left, "lock table loads.raw_data_totals_raw_2")
        require_like_a_fresh_run(place, resumed(place))


def test_a_sealed_run_is_unsealed_where_rows_have_changed(place):
    refusing = load_settings().gates.model_copy(update={"migrated_min_pct": 100.0})
    execute(place, f"update {LINES} set odds_timestamp = 'infinity' where id = 10")
    assert "gate" in resumed(place, gates=refusing).error.message
    sealed = "select count(*) from pg_indexes where schemaname = 'loads' and tablename ~ '_2$'"
    assert runs.scalar(place, sealed) > 0
    execute(place, f"update {LINES} set odds_timestamp = now() where id = 10", f"delete from {LINES} where id = 300")
    outcome = resumed(place, gates=refusing)
    assert sorted(outcome.report.details["resumed"]["redone_batches"]) == [1, 2]
    require_like_a_fresh_run(place, outcome)


def test_a_batch_that_is_in_is_not_written_again(place):
    loaded = TABLES["raw_data.moneylines_raw"]
    before = f"select count(*) from loads.raw_data_{loaded.name}_2 where batch_id = 1"
    rows = runs.scalar(place, before)
    assert resumed(place).error is None
    assert runs.scalar(place, before) == rows > 0
    tries = "select batch_id, count(*) from audit.attempts where run_id = 2 group by 1 having count(*) > 1"
    assert runs.rows(place, tries) == [(2, 2)]
