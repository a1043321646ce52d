"""Places for faults: legacy and target in one, a publication, a legacy that has changed since, and gates."""

import pytest

from tests import runs
from tests.faults import gates
from tests.servers import execute


@pytest.fixture(scope="session")
def template(embedded, tmp_path_factory):
    admin = embedded.url("postgres")
    execute(admin, "create database faults")
    url = embedded.url("faults")
    gates.prepare(url, tmp_path_factory.mktemp("faults") / "truth")
    yield "faults"
    execute(admin, "drop database faults with (force)")


@pytest.fixture(scope="session")
def undisturbed(embedded, template):
    """(what readers see, content, points passed) of a run that nobody stops."""
    with gates.copied(embedded, template) as url:
        process = gates.start(url)
        process.join(gates.PATIENCE_S)
        assert process.exitcode == 0
        passed = runs.scalar(url, "select last_value from gate.passed")
        return gates.shown(url), gates.content(url), passed


@pytest.fixture
def place(embedded, template):
    """A copy that a test may change."""
    with gates.copied(embedded, template) as url:
        yield url
