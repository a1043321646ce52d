"""What a run's rows depend on, by name."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from etl.runner.basis import basis_of, changed
from tests.runs import load_params

PARAMS = load_params()
STAGING, CURATED = PARAMS.staging, PARAMS.curated


@pytest.mark.parametrize(
    ("other", "names"),
    [
        (PARAMS, []),
        (replace(PARAMS, curated=replace(CURATED, config_hash="x"), config_hash="x"), []),
        (replace(PARAMS, books=PARAMS.books[1:]), ["config/sportsbooks.toml"]),
        (replace(PARAMS, teams=replace(PARAMS.teams, private=frozenset())), ["config/teams.toml"]),
        (replace(PARAMS, curated=replace(CURATED, horizons_min=(60, 30))), ["curated.horizons_min"]),
        (
            replace(PARAMS, staging=replace(STAGING, bounds=replace(STAGING.bounds, total_max_runs=9.0))),
            ["staging.bounds.total_max_runs"],
        ),
    ],
)
def test_what_changed_is_named(other, names):
    assert changed(basis_of(PARAMS), basis_of(other)) == names


def test_it_survives_the_ledger():
    made = basis_of(PARAMS)
    assert json.loads(json.dumps(made)) == made


def test_every_name_is_changed_where_nothing_was_noted():
    assert changed(None, {"b": 1, "a": 2}) == ["a", "b"]


def test_it_is_the_same_in_every_process():
    ask = "import json; from etl.runner import load_params; from etl.runner.basis import basis_of; "
    program = [sys.executable, "-c", f"{ask} print(json.dumps(basis_of(load_params())))"]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == basis_of(PARAMS)
