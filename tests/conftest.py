"""Servers and databases that the tests share."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count

import hypothesis
import pytest

from tests.servers import DEBIAN_NAME, DEBIAN_PROGRAMS, Postgres, debian_server, embedded_server, execute

_NUMBERS = count(1)

# A busy machine must not fail a property: no example has a deadline.
hypothesis.settings.register_profile("etl", deadline=None)
hypothesis.settings.load_profile("etl")


@pytest.fixture(scope="session")
def embedded() -> Iterator[Postgres]:
    with embedded_server() as found:
        yield found


@pytest.fixture(scope="session")
def debian() -> Iterator[Postgres]:
    if not DEBIAN_PROGRAMS.is_dir():
        missing = f"Debian's PostgreSQL is not installed: {DEBIAN_PROGRAMS}"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    with debian_server() as found:
        yield found


@pytest.fixture(scope="session", params=["embedded", "debian"], ids=["embedded18", DEBIAN_NAME])
def postgres(request: pytest.FixtureRequest) -> Postgres:
    """Each server in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def database(postgres: Postgres) -> Iterator[Callable[[], str]]:
    """Makes an empty database on the server in turn, gives its address, and drops it after the test."""
    admin = postgres.url("postgres")
    with ExitStack() as afterwards:

        def make() -> str:
            name = f"test_{os.getpid()}_{next(_NUMBERS)}"
            execute(admin, f"CREATE DATABASE {name} TEMPLATE template0")
            afterwards.callback(execute, admin, f"DROP DATABASE {name} WITH (FORCE)")
            return postgres.url(name)

        yield make
