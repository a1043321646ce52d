"""DSNs, SQL literals, the words of errors, and which of them may pass."""

import adbc_driver_manager as adbc
import pytest

from etl.database import (
    _connect_error,
    _statement_error,
    database_name,
    identifier,
    literal,
    plain_message,
    redacted,
    with_parameters,
)
from etl.errors import DatabaseFault, DatabaseUnreachable, PermissionMissing

SOCKET = "postgresql://u@/db?host=/tmp/a%20b"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:secret@h:5432/db", "postgresql://u@h:5432/db"),
        ("postgresql://u:p%40ss%2Fword@h/db", "postgresql://u@h/db"),
        ("postgresql://u@h/db?password=secret", "postgresql://u@h/db"),
        ("postgresql://u@h/db?sslpassword=secret&sslmode=require", "postgresql://u@h/db?sslmode=require"),
        ("postgresql://h/db", "postgresql://h/db"),
        ("postgresql:///db?host=/tmp/s&user=u&password=secret", "postgresql:///db?host=/tmp/s&user=u"),
        ("postgresql://u:secret@/db?host=/tmp/s&connect_timeout=5", "postgresql://u@/db?host=/tmp/s"),
        ("postgresql://u:secret@[::1]:5433/db", "postgresql://u@[::1]:5433/db"),
    ],
)
def test_a_redacted_dsn_shows_all_but_the_password(url, shown):
    assert redacted(url) == shown


@pytest.mark.parametrize(
    ("url", "complete"),
    [
        ("postgresql://h/db", "postgresql://h/db?connect_timeout=5"),
        ("postgresql://h/db?connect_timeout=1", "postgresql://h/db?connect_timeout=1"),
        ("postgresql://h/db?sslmode=require", "postgresql://h/db?connect_timeout=5&sslmode=require"),
        (SOCKET, "postgresql://u@/db?connect_timeout=5&host=%2Ftmp%2Fa%20b"),
        ("postgresql://u:p%40%2F@h/db", "postgresql://u:p%40%2F@h/db?connect_timeout=5"),
        ("postgresql:///db", "postgresql:///db?connect_timeout=5"),
        ("postgresql://", "postgresql://?connect_timeout=5"),
    ],
)
def test_parameters_are_added_where_the_dsn_has_none(url, complete):
    assert with_parameters(url, {"connect_timeout": "5"}) == complete


@pytest.mark.parametrize(
    ("value", "sql"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (7, "7"),
        (-2.5, "-2.5"),
        ("plain", "'plain'"),
        ("O'Hare", "'O''Hare'"),
        ("back\\slash", "'back\\slash'"),
        ("a\0b", "'ab'"),
        ([1, 2], "array[1,2]"),
        (("a", "b'c"), "array['a','b''c']"),
    ],
)
def test_literals(value, sql):
    assert literal(value) == sql


@pytest.mark.parametrize(
    ("parts", "sql"), [(("a",), '"a"'), (("staging", "games"), '"staging"."games"'), (('we"ird',), '"we""ird"')]
)
def test_identifiers(parts, sql):
    assert identifier(*parts) == sql


@pytest.mark.parametrize(
    ("url", "name"),
    [("postgresql://u@h/db", "db"), ("postgresql://u@h/a%20b", "a b"), ("postgresql://u@h", "u"), (SOCKET, "db")],
)
def test_the_database_that_a_dsn_names(url, name):
    assert database_name(url) == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            (
                'INVALID_ARGUMENT: [libpq] Failed to prepare query: ERROR:  relation "x" does not exist\n'
                "LINE 1: select * from x\n                      ^\n\nQuery was:select * from x. SQLSTATE: 42P01"
            ),
            'relation "x" does not exist',
        ),
        (
            (
                'IO: [libpq] Failed to connect: connection to server at "127.0.0.1", port 1 failed: '
                'FATAL:  password authentication failed for user "u"\n'
            ),
            'password authentication failed for user "u"',
        ),
        ("ERROR:  permission denied for table t. SQLSTATE: 42501", "permission denied for table t"),
        ("IO: [libpq] no connection to\n  the server", "no connection to the server"),
        ("bad dsn postgresql://u:secret@h/db", "bad dsn postgresql://u@h/db"),
    ],
)
def test_an_error_is_told_in_the_words_of_the_server(text, message):
    assert plain_message(RuntimeError(text)) == message


@pytest.mark.parametrize(
    ("state", "words", "kind", "is_transient"),
    [
        ("40001", "ERROR:  could not serialize access", DatabaseFault, True),
        ("40P01", "ERROR:  deadlock detected", DatabaseFault, True),
        ("53300", "ERROR:  too many connections", DatabaseFault, True),
        ("57P01", "FATAL:  terminating connection due to administrator command", DatabaseUnreachable, True),
        ("57P03", "FATAL:  the database system is starting up", DatabaseUnreachable, True),
        ("57P04", "FATAL:  database was dropped", DatabaseUnreachable, False),
        ("08006", "ERROR:  connection failure", DatabaseUnreachable, True),
        (None, "IO: Error writing tuple field data: server closed the connection", DatabaseUnreachable, True),
        (None, "IO: Failed to prepare query: no connection to the server", DatabaseUnreachable, True),
        ("P0001", "ERROR:  no connection to the moon", DatabaseFault, False),
        ("23505", "ERROR:  duplicate key", DatabaseFault, False),
        ("53100", "ERROR:  could not extend file: No space left on device", DatabaseFault, False),
        ("42501", "ERROR:  permission denied", PermissionMissing, False),
    ],
)
def test_what_may_well_succeed_a_little_later(state, words, kind, is_transient):
    raised = adbc.OperationalError(words, status_code=adbc.AdbcStatusCode.IO, sqlstate=state)
    error = _statement_error("select 1", raised)
    assert (type(error), error.is_transient) == (kind, is_transient)


@pytest.mark.parametrize(
    ("words", "is_transient"),
    [
        ('FATAL:  password authentication failed for user "u"', False),
        ('FATAL:  database "x" does not exist', False),
        ("FATAL:  sorry, too many clients already", True),
        ("FATAL:  the database system is shutting down", True),
        ('connection to server on socket "/tmp/x" failed: No such file or directory', True),
        ("connection to server failed: Connection refused", True),
    ],
)
def test_no_session_now_may_mean_one_later(words, is_transient):
    raised = adbc.OperationalError(words, status_code=adbc.AdbcStatusCode.IO)
    assert _connect_error("postgresql://u@h/x", raised).is_transient == is_transient
