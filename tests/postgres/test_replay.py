"""Rejects put back: the same rows as a whole run of today's rules gives, and each of them accounted for."""

from dataclasses import replace
from functools import cache

import polars as pl
import pytest

from etl import runner
from etl.errors import ConfigurationError, ResumeRefused
from etl.events import Silent
from etl.runner.look import check_legacy, check_published
from etl.runner.rejects import Selection, count_rejects
from etl.runner.replay import replay
from etl.settings import load_settings
from schemas import TABLES, ZONES, Rule
from tests import runs
from tests.runs import PUBLISHED, content, load_params, published, rows, sample, scalar, seen
from tests.servers import execute

LINES = "curated.betting_lines_unified"
HIGH = f"select id from {LINES} where market_type = 'totals' and game_id is not null order by game_id, id limit 2"
STAMP = "made by this test"
STAGED = "staging,curated"
MET = (
    "select zone, table_name, rule, reject_key, copies from audit.rejects join audit.sightings using (reject_key) "
    "where run_id = {} and zone = any(array{}) order by 1, 2, 3, 4"
)


def bounded(**bounds):
    """The shipped parameters with other bounds, and the stamp that such a configuration would give its rows."""
    params = load_params()
    staging = replace(params.staging, bounds=replace(params.staging.bounds, **bounds))
    return replace(params, staging=staging, curated=replace(params.curated, config_hash=STAMP), config_hash=STAMP)


def aliased(params, club, text):
    """Parameters in which `text` names a club, under all of the names that it had."""
    names = [replace(n, aliases=(*n.aliases, text)) if n.team_id == club else n for n in params.teams.names]
    return replace(params, teams=replace(params.teams, names=tuple(names)))


STRICT, SHIPPED = bounded(total_max_runs=15.0), load_params()
ALIASED = aliased(STRICT, 147, "Bombers of the Bronx")
STALER = replace(STRICT, staging=replace(STRICT.staging, score=replace(STRICT.staging.score, stale_h=48.0)))
RULES = {"strict": STRICT, "shipped": SHIPPED}
# Name -> rules of the first run, rules of today, what is put back.
CASES = {
    "a bound is wider": ("strict", SHIPPED, Selection(rule="line_invalid")),
    "a bound is narrower": ("shipped", STRICT, Selection(rule="price_invalid")),
    "an alias is known": ("strict", ALIASED, Selection()),
    "nothing is corrected": ("strict", STRICT, Selection()),
    "a weight is another": ("strict", STALER, Selection(rule="line_invalid")),
}


@pytest.fixture(scope="module")
def make(embedded):
    """Makes a database of this module, empty or a copy of another one."""
    admin, made = embedded.url("postgres"), []

    def create(name, template="template0"):
        execute(admin, f"create database replay_{name} template {template}")
        made.append(f"replay_{name}")
        return embedded.url(f"replay_{name}")

    yield create
    execute(admin, *(f"drop database {name} with (force)" for name in made))


@pytest.fixture(scope="module")
def legacy(make, tmp_path_factory):
    """A dirty legacy with two totals of 18.5 and a game whose home club is spelled as nobody knows."""
    url = make("legacy")
    sample(url, tmp_path_factory.mktemp("replay") / "truth", scale=0.06)
    execute(
        url,
        f"update {LINES} set total_line = 18.5 where id in ({HIGH})",
        "update curated.games_complete set home_team = 'Bombers of the Bronx' where id = ("
        f"select min(g.id) from curated.games_complete g join {LINES} l on l.game_id = g.id "
        "where g.home_team in ('Yankees', 'NYY', 'New York Yankees'))",
    )
    return url


@pytest.fixture(scope="module")
def loaded(make, legacy):
    """The target of a first run by given rules; made once for each."""

    @cache
    def load(name):
        target = make(name)
        params = RULES[name]
        published(legacy, target, params=params, config_hash=params.config_hash, validate=False)
        return f"replay_{name}"

    return load


@pytest.fixture(scope="module")
def cases(make, legacy, loaded):
    """Of a case: a target with a replay and its outcome, and a target with a whole run instead and its report."""

    @cache
    def done(name):
        before, today, selection = CASES[name]
        number = list(CASES).index(name)
        target, whole = (make(f"{kind}_{number}", template=loaded(before)) for kind in ("target", "whole"))
        options = {"params": today, "config_hash": today.config_hash, "validate": False}
        outcome = replay(runs.request(legacy, target, batch_rows=400, **options), selection, Silent())
        assert outcome.error is None, outcome.error
        return target, outcome, whole, published(legacy, whole, phases=STAGED, **options)

    return done


@pytest.fixture(params=list(CASES))
def case(request, cases):
    """(name, target, outcome, whole, report) of each case in turn."""
    return request.param, *cases(request.param)


def told(outcome):
    return outcome.report.details["replay"]


def by_rule(outcome, outcome_name):
    """Rows with an outcome, by table and rule."""
    return {(e["table"], e["rule"]): e[outcome_name] for e in told(outcome)["rejects"] if e[outcome_name]}


def differing(one, other):
    """Tables that readers see with other rows here than there."""
    return [table.full_name for table in PUBLISHED if content(one, table) != content(other, table)]


def test_a_replay_gives_the_rows_of_a_whole_run(case):
    _, target, _, whole, _ = case
    assert differing(target, whole) == []
    assert min(seen(target).values()) > 0


def test_a_replay_refuses_what_a_whole_run_refuses(case):
    _, target, _, whole, _ = case
    zones = "['staging', 'curated']"
    assert rows(target, MET.format(2, zones)) == rows(whole, MET.format(2, zones)) != []


def test_a_replay_counts_what_a_whole_run_counts(case):
    _, _, outcome, _, report = case
    assert [replace(c, seconds=0) for c in outcome.report.tables] == [replace(c, seconds=0) for c in report.tables]


def test_a_replay_is_valid_as_any_run(case):
    _, target, outcome, _, _ = case
    assert [check for check in outcome.report.checks if not check.passed] == []
    assert [check for check in check_published(target, ZONES) if not check.passed] == []
    assert runs.attached(target) >= {("staging.totals", "2"), ("curated.labels", "2"), ("raw_data.totals_raw", "1")}


def test_every_reject_that_is_put_back_is_accounted_for(case):
    name, target, outcome, _, _ = case
    before = count_rejects(target, replace(CASES[name][2], run_id=1))
    entries = told(outcome)["rejects"]
    outcomes = ("accepted", "refused", "collapsed", "gone", "not_tried")
    told_rows = {(e["zone"], e["table"], e["rule"]): sum(e[n] for n in outcomes) for e in entries}
    assert told_rows == {(e["zone"], e["table"], e["rule"]): e["rows"] for e in before}
    assert all(sum(e["rules_now"].values()) == e["refused"] for e in entries)


@pytest.mark.parametrize("name", ["a bound is wider", "a bound is narrower", "nothing is corrected"])
def test_only_what_may_change_is_done_again(cases, name):
    scope = told(cases(name)[1])
    assert scope["all_because"] == []
    assert 0 < scope["done_again"] < scope["games"]
    assert scope["done_again"] + scope["carried"] == scope["games"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("an alias is known", "config/teams.toml changed, which may touch any game"),
        ("a weight is another", "staging.score.stale_h changed, which may touch any game"),
    ],
)
def test_what_may_change_any_game_does_all_games_again(cases, name, reason):
    scope = told(cases(name)[1])
    assert scope["all_because"] == [reason]
    assert (scope["done_again"], scope["carried"]) == (scope["games"], 0)


def test_a_wider_bound_accepts_what_lay_beyond_the_narrow_one(cases):
    outcome = cases("a bound is wider")[1]
    assert by_rule(outcome, "accepted") == {("totals", "line_invalid"): 2}
    assert told(outcome)["newly_refused"] == []
    assert told(outcome)["changed_bounds"] == ["staging.bounds.total_max_runs"]


def test_a_narrower_bound_refuses_rows_of_games_that_had_no_reject(cases):
    outcome = cases("a bound is narrower")[1]
    assert by_rule(outcome, "accepted") == {}
    assert told(outcome)["newly_refused"] == [{"zone": "staging", "table": "totals", "rule": "line_invalid", "rows": 2}]


def test_a_known_alias_accepts_the_lines_of_its_game(cases):
    outcome = cases("an alias is known")[1]
    accepted = by_rule(outcome, "accepted")
    assert {rule for _, rule in accepted} == {"clubs_unknown"}
    assert ("moneylines", "clubs_unknown") in accepted


def test_what_is_not_corrected_is_refused_as_before(cases):
    outcome = cases("nothing is corrected")[1]
    assert by_rule(outcome, "accepted") == {}
    assert all(set(entry["rules_now"]) == {entry["rule"]} for entry in told(outcome)["rejects"])


def stricter(name, column, rule):
    """The contract of a table with one rule more."""
    table = TABLES[name]
    columns = [replace(c, rules=(*c.rules, rule)) if c.name == column else c for c in table.columns]
    return replace(table, columns=tuple(columns))


@pytest.fixture(scope="module")
def raw_legacy(make, legacy):
    return make("raw_legacy", template="replay_legacy")


@pytest.fixture(scope="module")
def raw(make, raw_legacy):
    """(target, outcome, target of a run that always had today's contract): a raw contract that was too narrow."""
    url, target, whole = raw_legacy, make("raw_target"), make("raw_whole")
    execute(
        url,
        f"update {LINES} set spread_line = 'NaN' where id = (select min(id) from {LINES} where market_type = 'spread')",
        f"alter table {LINES} add column mood text",
        f"alter table {LINES} drop constraint betting_lines_unified_market_type_check",
        f"update {LINES} set market_type = 'props' where id = (select max(id) from {LINES})",
        f'update {LINES} set mood = \'odd\', source_metadata = \'{{"b": 1.10, "a": "é"}}\' where id % 7 = 0',
    )
    rule = Rule("home_ml_max", pl.col("home_ml") <= 120, "home_ml must be at most 120")
    with pytest.MonkeyPatch.context() as patch:
        name = "raw_data.moneylines_raw"
        patch.setitem(TABLES, name, stricter(name, "home_ml", rule))
        published(url, target, validate=False)
    outcome = replay(runs.request(url, target), Selection(zone="raw_data"), Silent())
    assert outcome.error is None, outcome.error
    published(url, whole)
    return target, outcome, whole


def test_raw_rejects_put_back_give_the_rows_of_a_run_from_the_legacy(raw):
    target, _, whole = raw
    assert differing(target, whole) == []
    assert min(seen(target).values()) > 0


def test_raw_rejects_put_back_are_rejects_no_more_and_what_cannot_be_carried_stays_the_same_one(raw):
    target, outcome, whole = raw
    zones = "['raw_data', 'staging', 'curated']"
    assert rows(target, MET.format(2, zones)) == rows(whole, MET.format(1, zones)) != []
    beyond = scalar(target, "select count(*) from audit.rejects where rule = 'home_ml_max'")
    assert by_rule(outcome, "accepted") == {("moneylines_raw", "home_ml_max"): beyond}
    assert by_rule(outcome, "refused") == {("spreads_raw", "unfit_value"): 1}


def test_the_raw_zone_says_when_its_rows_were_read_from_the_legacy(raw):
    target, _, _ = raw
    read = "select count(distinct extracted_at)::int, max(extracted_at) = (select min(snapshot_at) from audit.runs) "
    assert rows(target, f"{read} from raw_data.moneylines_raw") == [(1, True)]


def test_a_replay_of_the_raw_zone_is_valid(raw):
    target, outcome, _ = raw
    assert outcome.report.phases == ("raw", "staging", "curated")
    assert [check for check in outcome.report.checks if not check.passed] == []
    assert [check for check in check_published(target, ZONES) if not check.passed] == []


def test_a_replay_of_the_raw_zone_holds_what_the_legacy_holds(raw, raw_legacy):
    found = check_legacy(raw_legacy, runner.load_layout("unified"), raw[0])
    assert "no_market: legacy now" in {check.name for check in found}
    assert [check for check in found if not check.passed] == []


def test_a_zone_made_of_an_earlier_one_is_made_anew_as_a_whole(raw, legacy):
    target, _, _ = raw
    published(legacy, target, phases="staging")
    outcome = replay(runs.request(legacy, target), Selection(rule="price_invalid"), Silent())
    assert told(outcome)["all_because"] == ["zone curated was made of an earlier load than the one published below it"]
    assert [check for check in check_published(target, ZONES) if not check.passed] == []


def test_a_replay_may_be_left_unpublished(raw, legacy):
    target, _, _ = raw
    before = runs.attached(target)
    outcome = replay(runs.request(legacy, target, publish=False), Selection(rule="price_invalid"), Silent())
    assert (outcome.error, outcome.report.status) == (None, "filled")
    assert runs.attached(target) == before


def test_a_replay_that_fails_leaves_readers_alone_and_is_begun_anew(raw, legacy):
    target, _, _ = raw
    before, gates = runs.attached(target), load_settings().gates.model_copy(update={"rejected_max_pct": 0.0})
    outcome = replay(runs.request(legacy, target, gates=gates), Selection(rule="price_invalid"), Silent())
    assert (outcome.report.status, runs.attached(target)) == ("failed", before)
    with pytest.raises(ResumeRefused, match="begun anew") as refused:
        runs.resumed(legacy, target, outcome.report.run_id)
    assert refused.value.next_step == "etl rejects replay"
    again = replay(runs.request(legacy, target), Selection(rule="price_invalid"), Silent())
    assert (again.error, again.report.published) == (None, True)


@pytest.mark.parametrize("selection", [Selection(rule="no_such_rule"), Selection(run_id=99)], ids=str)
def test_nothing_to_put_back_is_said_and_makes_no_run(raw, legacy, selection):
    target, _, _ = raw
    last = scalar(target, "select max(run_id) from audit.runs")
    with pytest.raises(ConfigurationError, match="nothing to put back"):
        replay(runs.request(legacy, target), selection, Silent())
    assert scalar(target, "select max(run_id) from audit.runs") == last
