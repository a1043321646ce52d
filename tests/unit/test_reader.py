"""The one form of DSN that connectorx takes."""

import pytest

from etl.extract.reader import connectorx_url


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
