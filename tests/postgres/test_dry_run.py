"""A dry run finds out what a run would do, and writes nothing anywhere."""

import json

import pytest

from etl.errors import BatchesFailed, ConfigurationError, DatabaseUnreachable, GateFailed
from etl.events import Silent
from etl.runner import dry
from etl.runner.dry import dry_run
from etl.settings import load_settings
from tests import runs
from tests.runs import request, rows, sample, scalar
from tests.servers import execute

KNOWN = ("zone", "table", "read", "loaded", "rejected", "collapsed", "expected")
OURS = "select count(*) from pg_namespace where nspname in ('raw_data', 'staging', 'loads', 'audit')"
CATALOGUE = "select md5(string_agg(c.oid::text || c.relname || c.xmin::text, ',' order by c.oid)) from pg_class c"


@pytest.fixture(scope="module")
def make(debian):
    """Makes a database of this module, empty or a copy of another one."""
    admin, made = debian.url("postgres"), []

    def create(name, template="template0"):
        execute(admin, f"create database dry_{name} template {template}")
        made.append(f"dry_{name}")
        return debian.url(f"dry_{name}")

    yield create
    execute(admin, *(f"drop database {name} with (force)" for name in made))


@pytest.fixture(scope="module")
def legacy(make, tmp_path_factory):
    url = make("legacy")
    sample(url, tmp_path_factory.mktemp("dry") / "truth", scale=0.05)
    return url


@pytest.fixture(scope="module")
def target(make):
    return make("target")


def tried(legacy, target, **options):
    return dry_run(request(legacy, target, **options), Silent())


@pytest.fixture(scope="module")
def tried_first(legacy, target):
    """The outcome of a dry run, before the run that :func:`done` makes."""
    return tried(legacy, target, batch_rows=400), scalar(target, OURS)


@pytest.fixture(scope="module")
def done(tried_first, legacy, target):
    """The report of the run itself."""
    return runs.published(legacy, target)


def test_nothing_is_written(tried_first):
    outcome, schemas = tried_first
    assert outcome.error is None
    assert schemas == 0
    assert (outcome.report.run_id, outcome.report.status, outcome.report.published) == (0, "dry_run", False)


def test_it_tells_what_the_run_then_does(tried_first, done):
    outcome = tried_first[0]
    dry, real = ([tuple(getattr(t, n) for n in KNOWN) for t in report.tables] for report in (outcome.report, done))
    assert dry == real
    assert set(outcome.report.as_dict()) == set(done.as_dict())
    assert outcome.analysis is not None


def test_its_checks_are_those_of_the_run_that_need_no_loads(tried_first, done):
    dry = {(c.zone, c.name, c.passed, c.expected, c.actual) for c in tried_first[0].report.checks}
    real = {(c.zone, c.name, c.passed, c.expected, c.actual) for c in done.checks}
    assert dry <= real
    assert {name.rpartition(": ")[2] for _, name, *_ in dry} >= {"all rows read", "conserved", "gate migrated"}


def test_rejects_are_told_by_rule_with_examples(tried_first, done, target):
    told = tried_first[0].report.details["rejects"]
    kept = rows(
        target,
        "select zone || '.' || table_name, rule, sum(copies)::bigint from audit.rejects "
        f"join audit.sightings using (reject_key) where run_id = {done.run_id} group by 1, 2",
    )
    assert {(r["table"], r["rule"], r["rows"]) for r in told} == set(kept) != set()
    assert [r["rows"] for r in told] == sorted((r["rows"] for r in told), reverse=True)
    for reject in told:
        assert len(reject["examples"]) == min(3, reject["rows"])
        original = f"select row::text from audit.rejects where source_id = '{reject['examples'][0]['source_id']}'"
        assert reject["examples"][0]["row"] in [json.loads(text) for (text,) in rows(target, original)]


def test_a_target_that_holds_something_is_left_as_it_is(done, legacy, target):
    before = scalar(target, CATALOGUE), rows(target, "select * from audit.runs")
    assert tried(legacy, target).error is None
    assert (scalar(target, CATALOGUE), rows(target, "select * from audit.runs")) == before


@pytest.mark.parametrize("phase", ["staging", "curated"])
def test_a_later_phase_alone_reads_what_is_published(done, legacy, target, phase):
    outcome = tried(legacy, target, phases=phase)
    assert outcome.error is None
    told = {(t.zone, t.table): t.loaded for t in outcome.report.tables}
    assert told == {(t.zone, t.table): t.loaded for t in done.tables if t.zone == phase}


def test_a_later_phase_needs_the_zone_before_it(legacy, make):
    with pytest.raises(ConfigurationError, match="nothing is published in zone raw_data"):
        tried(legacy, make("empty"), phases="staging")


def test_a_target_that_is_not_there_does_not_matter_until_a_phase_reads_from_it(legacy, debian):
    nowhere = debian.url("dry_nowhere")
    outcome = tried(legacy, nowhere, phases="raw")
    assert (outcome.error, outcome.report.status) == (None, "dry_run")
    with pytest.raises(DatabaseUnreachable, match='"dry_nowhere" does not exist'):
        tried(legacy, nowhere, phases="staging")


def test_a_role_that_may_only_connect_is_enough_for_the_target(legacy, target, done, debian):
    execute(debian.url("postgres"), "create role dry_guest login")
    try:
        guest = target.replace("postgres@", "dry_guest@")
        assert tried(legacy, guest, phases="raw").error is None
    finally:
        execute(debian.url("postgres"), "drop role dry_guest")


def test_a_gate_that_would_fail_is_the_error(legacy, target):
    gates = load_settings().gates.model_copy(update={"validated_min_pct": 100.0})
    outcome = tried(legacy, target, gates=gates)
    assert isinstance(outcome.error, GateFailed)
    assert "would not be published: staging gate validated: expected >= 100 %" in outcome.error.message
    assert "largest causes: staging." in outcome.error.message
    assert outcome.report.message == outcome.error.message
    assert tried(legacy, target, gates=gates, validate=False).error is None


def test_batches_that_would_fail_are_named(legacy, target, monkeypatch):
    work = dry.batch_work

    def failing(context, reference):
        done = work(context, reference)

        def one(batch, parcel):
            if batch.batch_id == 2:
                raise DatabaseUnreachable("gone")
            done(batch, parcel)

        return one

    monkeypatch.setattr(dry, "batch_work", failing)
    outcome = tried(legacy, target, phases="raw", batch_rows=300)
    assert isinstance(outcome.error, BatchesFailed)
    assert "batches would fail, first batch 2: gone" in outcome.error.message
