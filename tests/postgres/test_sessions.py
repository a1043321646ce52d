"""Whatever writes refuses a pooler that takes sessions apart, before it does anything."""

import pytest

from etl import database
from etl.errors import ConfigurationError
from etl.runner.backup import BackupOptions, back_up
from etl.runner.restore import restore
from tests import runs
from tests.postgres.test_pooling import needs_pgbouncer, pgbouncer, url
from tests.runs import scalar
from tests.servers import execute


@pytest.fixture
def target(debian):
    execute(debian.url("postgres"), "create database sessions_target template template0")
    yield debian.url("sessions_target")
    execute(debian.url("postgres"), "drop database sessions_target with (force)")


def run(place, _folder):
    runs.run(place, place)


def backup(place, folder):
    back_up(place, folder / "file", BackupOptions())


def put_back(place, folder):
    restore(place, folder / "file", force=True, verify=True, bin_dir="")


@needs_pgbouncer
@pytest.mark.parametrize("work", [run, backup, put_back])
def test_nothing_is_written_through_a_pooler_of_transactions(debian, target, tmp_path, work):
    with pgbouncer(debian.port, "transaction") as port:
        behind = url(port, database.database_name(target))
        with pytest.raises(ConfigurationError, match="is behind a pooler") as raised:
            work(behind, tmp_path)
    assert "pool_mode = session" in raised.value.next_step
    assert scalar(target, "select count(*) from pg_namespace where nspname in ('audit', 'loads')") == 0
    assert list(tmp_path.iterdir()) == []
