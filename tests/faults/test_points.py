"""A run that is killed at any point: readers see whole versions throughout, and it is finished as if undisturbed."""

import pytest

from etl.errors import ResumeRefused
from etl.load.publish import PublishOptions
from etl.runner.switch import publish_filled
from tests import runs
from tests.faults import gates

POINTS = 44
OPTIONS = PublishOptions(wait_s=20, lock_timeout_ms=100, keep=2)
LEFT_BEHIND = (
    "select count(*) from pg_stat_activity where datname = current_database() and application_name ~ '^etl' "
    "and pid <> pg_backend_pid()"
)


def finish(url):
    """Finish the killed run in the way that its state asks for; a run that never came to be is begun anew."""
    run_id, status = runs.rows(url, "select run_id, status from audit.runs order by run_id desc limit 1")[0]
    if run_id == 1:
        runs.published(url, url, phases="raw")
    elif status == "filled":
        publish_filled(url, run_id, options=OPTIONS)
    elif status == "running":
        outcome = runs.resumed(url, url, run_id, phases="raw")
        assert outcome.error is None, outcome.error
    else:
        with pytest.raises(ResumeRefused, match="is published: there is nothing left to do"):
            runs.resumed(url, url, run_id, phases="raw")


@pytest.mark.parametrize("point", range(POINTS))
def test_a_run_that_is_killed_is_finished_as_if_nothing_had_been(undisturbed, place, point):
    after, rows, passed = undisturbed
    before = gates.shown(place)
    gates.stop_at(place, 1 + point * (passed - 1) // (POINTS - 1))
    with gates.watched(place) as seen:
        with gates.closed(place):
            process = gates.start(place)
            left_behind = gates.until_waiting(place, process.is_alive)
            process.kill()
            process.join()
            if point % 2:  # what the server still does for the dead run ends at once, or goes on to its end
                runs.scalar(place, f"select pg_terminate_backend({left_behind})")
        gates.until(place, f"select ({LEFT_BEHIND}) = 0")
        finish(place)
    assert seen <= {before, after}
    assert gates.shown(place) == after
    assert gates.content(place) == rows
    runs_seen = runs.rows(place, "select distinct run_id from audit.publications order by 1")
    assert runs.loads(place) == {f"raw_data_{table.name}_{run}" for table in gates.RAW for (run,) in runs_seen}
    assert runs.scalar(place, "select count(*) from audit.runs where status = 'running'") == 0
