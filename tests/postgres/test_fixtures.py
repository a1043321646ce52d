"""The servers of the tests are what the tests take them for."""

import pytest

from etl import database as sessions
from etl.errors import DatabaseUnreachable
from tests.servers import answer, execute


def test_each_database_is_new_and_empty(database):
    first, second = database(), database()
    execute(first, "CREATE TABLE here (id int)")
    assert answer(first, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 1
    assert answer(second, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0


def test_each_server_is_the_one_of_its_name(postgres):
    assert answer(postgres.url("postgres"), "SELECT current_setting('server_version')").startswith(postgres.name[-2:])


def test_a_password_is_needed_and_must_be_right(debian):
    assert answer(debian.url_with_password("postgres"), "SELECT current_user::text") == "etl_password"
    with pytest.raises(DatabaseUnreachable) as refused, sessions.session(debian.url_with_password("postgres", "wrong")):
        pass
    assert "wrong" not in str(refused.value)
