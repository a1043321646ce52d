"""Runs that resolve games, or read from a zone, and are gone on with."""

import pytest

from etl.errors import ResumeRefused
from etl.runner import RetryPolicy
from etl.settings import load_settings
from tests import runs
from tests.faults import gates
from tests.servers import execute

BATCH_ROWS = 320
ONCE = RetryPolicy(attempts=1, base_s=0.01, max_s=0.01)
LINES, GAMES = "curated.betting_lines_base", "curated.games_complete"
OWNER = f"(select game_id from {LINES} where id = {gates.ROW})"
STRICT = load_settings().gates.model_copy(update={"validated_min_pct": 100.0})


@pytest.fixture(scope="module")
def stopped(embedded, template):
    """A database with a run of all phases, number 2, of which one batch failed; nothing stands in its way any more."""
    admin = embedded.url("postgres")
    execute(admin, f"create database faults_zones template {template}")
    url = embedded.url("faults_zones")
    gates.refuse(url, "23514", 1)
    assert run(url, retry=ONCE).error is not None
    yield "faults_zones"
    execute(admin, "drop database faults_zones with (force)")


@pytest.fixture
def stopped_place(embedded, stopped):
    with gates.copied(embedded, stopped) as url:
        yield url


def run(url, **options):
    return runs.run(url, url, **{"phases": "all", "batch_rows": BATCH_ROWS, "workers": 2} | options)


def resumed(url, **options):
    return runs.resumed(url, url, 2, batch_rows=BATCH_ROWS, **options)


def in_work(url):
    """The batches of run 2 that are in."""
    return [batch for (batch,) in runs.rows(url, "select batch_id from audit.batches where run_id = 2 order by 1")]


def test_all_zones_are_finished_like_those_of_a_fresh_run(stopped_place):
    outcome = resumed(stopped_place)
    assert outcome.error is None, outcome.error
    assert outcome.report.details["resumed"] == {"kept_batches": len(in_work(stopped_place)) - 1, "redone_batches": {}}
    require_like_a_fresh_run(stopped_place)


def require_like_a_fresh_run(url):
    content = gates.content(url, runs.PUBLISHED)
    fresh = run(url)
    assert fresh.error is None, fresh.error
    assert gates.content(url, runs.PUBLISHED) == content


def test_a_changed_game_makes_everything_be_done_again(stopped_place):
    kept = in_work(stopped_place)
    execute(stopped_place, f"update {GAMES} set home_score = home_score + 1 where id = {OWNER}")
    outcome = resumed(stopped_place)
    assert outcome.error is None, outcome.error
    reason = "games_raw has 51 rows as before, and other values"
    assert outcome.report.details["resumed"] == {"kept_batches": 0, "redone_batches": dict.fromkeys(kept, reason)}
    require_like_a_fresh_run(stopped_place)


def test_lines_without_a_game_that_came_are_a_batch_of_their_own(stopped_place):
    planned = "select jsonb_array_length(plan) from audit.runs where run_id = 2"
    before = runs.scalar(stopped_place, planned)
    execute(
        stopped_place,
        f"""insert into {LINES} select (jsonb_populate_record(l, '{{"id": 90001, "game_id": null}}')).* """
        f"from {LINES} l where id = 10",
        f"update {LINES} set home_ml = home_ml + 1 where id = 90001",
    )
    outcome = resumed(stopped_place)
    assert outcome.error is None, outcome.error
    # Where a batch takes lines without a game along, it is done again; else they make one more.
    added = runs.scalar(stopped_place, planned) - before
    assert added + len(outcome.report.details["resumed"]["redone_batches"]) == 1
    require_like_a_fresh_run(stopped_place)


def test_lines_that_came_to_a_run_with_all_its_keys_are_added(place):
    assert "gate" in run(place, gates=STRICT).error.message
    assert runs.scalar(
        place, "select count(*) from pg_constraint where contype = 'f' and conrelid::regclass::text ~ '_2$'"
    )
    execute(
        place,
        f"""insert into {LINES} select (jsonb_populate_record(l, '{{"id": 90001, "game_id": null}}')).* """
        f"from {LINES} l where id = 10",
    )
    outcome = resumed(place)
    assert outcome.error is None, outcome.error
    require_like_a_fresh_run(place)


@pytest.fixture
def staged(place):
    """A place where staging alone, run 2, was filled from the published raw zone and did not pass its gates."""
    assert "gate" in run(place, phases="staging", gates=STRICT).error.message
    return place


def test_a_run_that_reads_a_zone_is_gone_on_with(staged):
    outcome = resumed(staged, phases="staging")
    assert outcome.error is None, outcome.error
    assert outcome.report.details["resumed"]["kept_batches"] == len(in_work(staged))
    assert {run for _, run in runs.attached(staged)} == {"1", "2"}


def test_a_zone_that_was_switched_meanwhile_is_named(staged):
    execute(staged, "update audit.runs set pinned_at = now() where run_id = 2")
    assert run(staged, phases="raw").error is None
    with pytest.raises(ResumeRefused) as refused:
        resumed(staged, phases="staging")
    assert "it reads zone raw_data, which was switched since" in refused.value.message
    assert "raw_data.moneylines_raw: load 1, now 3" in refused.value.message
    assert refused.value.next_step == "etl run --phase staging"


def test_a_run_whose_loads_were_pruned_is_refused(staged):
    assert run(staged, phases="raw").error is None
    with pytest.raises(ResumeRefused, match="of its loads were dropped"):
        resumed(staged, phases="staging")
