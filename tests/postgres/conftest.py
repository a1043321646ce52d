"""Targets that are ready to be loaded into: copies of one that is made once for each server."""

import os
from itertools import count

import pytest

from etl import database as db
from etl.load import ddl
from tests.servers import execute

_NUMBERS = count(1)


@pytest.fixture(scope="session")
def ready():
    """Gives the name of the template on a server, made when it is first asked for; it goes with the server."""
    made = {}

    def name(server):
        if server.name not in made:
            made[server.name] = f"ready_{os.getpid()}"
            execute(server.url("postgres"), f"create database {made[server.name]} template template0")
            with db.session(server.url(made[server.name]), autocommit=True) as connection:
                ddl.ensure_target(connection)
        return made[server.name]

    return name


@pytest.fixture
def target(postgres, ready):
    """An empty target of a test, dropped after it."""
    name = f"target_{os.getpid()}_{next(_NUMBERS)}"
    execute(postgres.url("postgres"), f"create database {name} template {ready(postgres)}")
    yield postgres.url(name)
    execute(postgres.url("postgres"), f"drop database {name} with (force)")
