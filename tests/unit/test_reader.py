"""The one form of DSN that connectorx takes, and what its errors mean."""

import pytest

from etl.errors import DatabaseFault, DatabaseUnreachable, PermissionMissing, SnapshotLost
from etl.extract.reader import _typed, connectorx_url


@pytest.mark.parametrize(
    ("url", "form"),
    [
        ("postgresql://u:p@h:5433/db", "postgresql://u:p@h:5433/db"),
        ("postgresql://h/db", "postgresql://h/db"),
        ("postgresql:///db", "postgresql://localhost/db"),
        ("postgresql://u@/db?host=/tmp/pg", "postgresql://u@%2Ftmp%2Fpg/db"),
        ("postgresql://u@/db?host=/tmp/a%20b&port=5444", "postgresql://u@%2Ftmp%2Fa%20b:5444/db"),
        ("postgresql:///db?host=/tmp/pg&user=u&password=p%40ss", "postgresql://u:p%40ss@%2Ftmp%2Fpg/db"),
        ("postgresql://u:right%3A%20p%40ss%2Fword@h/db", "postgresql://u:right%3A%20p%40ss%2Fword@h/db"),
        ("postgresql://we%40ird@h/db", "postgresql://we%40ird@h/db"),
        ("postgresql://u@h/?dbname=db", "postgresql://u@h/db"),
        ("postgresql://u@h/db?sslmode=require", "postgresql://u@h/db?sslmode=require"),
    ],
)
def test_host_user_and_password_stand_in_the_authority(url, form):
    assert connectorx_url(url) == form


@pytest.mark.parametrize(
    ("words", "kind", "is_transient"),
    [
        ("error communicating with the server: Connection reset by peer (os error 104)", DatabaseUnreachable, True),
        ("db error: FATAL: terminating connection due to administrator command", DatabaseUnreachable, True),
        ("db error: FATAL: the database system is starting up", DatabaseUnreachable, True),
        ("db error: FATAL: sorry, too many clients already", DatabaseUnreachable, True),
        ("timed out waiting for connection: error connecting to server", DatabaseUnreachable, True),
        ('db error: ERROR: invalid snapshot identifier: "00000003-00000047-1"', SnapshotLost, True),
        ('db error: ERROR: snapshot "00000004-00000004-1" does not exist', SnapshotLost, True),
        ("db error: ERROR: could not import the requested snapshot", SnapshotLost, True),
        ("db error: ERROR: canceling statement due to conflict with recovery", DatabaseFault, True),
        ("db error: ERROR: deadlock detected", DatabaseFault, True),
        ("db error: ERROR: permission denied for table games", PermissionMissing, False),
        ('db error: ERROR: column "x" does not exist', DatabaseFault, False),
        ("db error: ERROR: division by zero", DatabaseFault, False),
    ],
)
def test_what_connectorx_says_is_typed_by_what_helps(words, kind, is_transient):
    error = _typed(RuntimeError(words))
    assert (type(error), error.is_transient) == (kind, is_transient)
