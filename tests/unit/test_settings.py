"""Settings: environment over file over default, and everything that is wrong listed at once."""

import os

import pytest

from etl.errors import ConfigurationError, Exit
from etl.passwords import with_password
from etl.settings import config_hash, load_settings


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith(("ETL_", "PG"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "pgpass"))


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "own.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def message(**given):
    with pytest.raises(ConfigurationError) as caught:
        load_settings(**given)
    assert caught.value.exit_code == Exit.USAGE
    assert caught.value.next_step
    return caught.value.message


def test_the_shipped_file_is_complete():
    settings = load_settings()
    assert settings.is_embedded
    assert settings.run.batch_rows == 100_000
    assert settings.gates.validated_min_pct == 95
    assert settings.legacy.layout == "unified"


def test_a_file_overrides_only_what_it_names(file):
    settings = load_settings(config=file("[run]\nbatch_rows = 5\n"))
    assert (settings.run.batch_rows, settings.run.keep_publications) == (5, 2)


def test_the_environment_wins_over_the_file(file, monkeypatch):
    monkeypatch.setenv("ETL_RUN_BATCH_ROWS", "7")
    monkeypatch.setenv("ETL_GATES_VALIDATED_MIN_PCT", "12.5")
    settings = load_settings(config=file("[run]\nbatch_rows = 5\nworkers = 3\n"))
    assert (settings.run.batch_rows, settings.run.workers, settings.gates.validated_min_pct) == (7, 3, 12.5)


def test_options_win_over_everything_and_an_option_that_is_not_given_over_nothing(file, monkeypatch):
    monkeypatch.setenv("ETL_RUN_BATCH_ROWS", "7")
    monkeypatch.setenv("ETL_RUN_WORKERS", "4")
    given = {"run": {"batch_rows": 9, "workers": None}}
    settings = load_settings(config=file("[run]\nbatch_rows = 5\n"), overrides=given)
    assert (settings.run.batch_rows, settings.run.workers) == (9, 4)


def test_a_profile_stands_above_the_file_and_below_the_environment(file, monkeypatch):
    own = file("[run]\nbatch_rows = 5\n[profiles.tiny]\nrun = { batch_rows = 3, workers = 2 }\n")
    assert load_settings(config=own, profile="tiny").run.batch_rows == 3
    assert load_settings(config=own, profile="small").run.workers == 1
    monkeypatch.setenv("ETL_RUN_BATCH_ROWS", "7")
    assert load_settings(config=own, profile="tiny").run.batch_rows == 7


def test_an_unknown_profile_names_those_there_are():
    assert message(profile="nope") == "no profile 'nope': expected one of small"


def test_all_wrong_values_are_listed_at_once(file, monkeypatch):
    monkeypatch.setenv("ETL_RUN_WORKERS", "many")
    found = message(config=file("[run]\nbatch_rows = 0\nspeed = 1\n[gates]\nrejected_max_pct = 101\n[extra]\n"))
    for name in ("run.workers", "run.batch_rows", "run.speed", "gates.rejected_max_pct", "extra"):
        assert f"{name}: " in found


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[legacy]\nunmapped = 'drop'\n", "legacy.unmapped"),
        ("[legacy]\nlayout = 'other'\n", "expected one of core_betting, unified"),
        ("[server]\nmax_connections = 1\n", "server.max_connections"),
        ("[analysis]\nrows_per_s = 0\n", "analysis.rows_per_s"),
        ("run = 3\n", "run"),
        ("legacy = 'postgresql://h/db'\n", "legacy"),
        ("[target]\nurl = 'postgresql://[::1/db'\n", "ETL_LEGACY_URL is not set"),
        ("not toml", "cannot read"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(file, text, named):
    assert named in message(config=file(text))


@pytest.mark.parametrize("make", ["missing", "folder", "latin1"])
def test_a_file_that_cannot_be_read(tmp_path, make):
    path = tmp_path / make
    if make == "folder":
        path.mkdir()
    if make == "latin1":
        path.write_bytes("# caf\xe9".encode("latin-1"))
    assert f"cannot read {path}" in message(config=path)


@pytest.mark.parametrize(
    "text",
    [
        "[legacy]\nurl = 'postgresql://u:hush@h/db'\n",
        "[target]\nurl = 'postgresql://u:hush@h/db'\n",
        "[target]\nurl = 'postgresql://u@h/db?password=hush'\n",
    ],
)
def test_a_password_in_a_file_is_refused_and_not_repeated(file, text):
    found = message(config=file(text))
    assert "holds a password in a file" in found
    assert "hush" not in found


@pytest.mark.parametrize("text", ["profiles = 3\n", "[profiles]\nmine = 3\n"])
def test_a_profile_is_a_table(file, text):
    assert "no profile 'mine'" in message(config=file(text), profile="mine")


def test_a_password_in_a_profile_is_refused(file):
    own = file("[profiles.mine]\nlegacy = { url = 'postgresql://u:hush@h/db' }\n")
    assert "holds a password in a file" in message(config=own, profile="mine")


@pytest.mark.parametrize(("given", "missing"), [("LEGACY", "TARGET"), ("TARGET", "LEGACY")])
def test_both_databases_or_neither(monkeypatch, given, missing):
    monkeypatch.setenv(f"ETL_{given}_URL", "postgresql://u:hush@h/db")
    assert message() == f"only one of both databases is given: ETL_{missing}_URL is not set"


@pytest.mark.parametrize("url", ["mysql://u:hush@h/db", "host=h", "postgresql://u:hush@h:x/db", "postgresql://[::1/db"])
def test_only_postgresql(monkeypatch, url):
    monkeypatch.setenv("ETL_LEGACY_URL", url)
    monkeypatch.setenv("ETL_TARGET_URL", "postgresql://h/db")
    assert message() == "ETL_LEGACY_URL is no postgresql:// DSN"


def test_the_environment_may_hold_a_password(monkeypatch):
    for name in ("ETL_LEGACY_URL", "ETL_TARGET_URL"):
        monkeypatch.setenv(name, "postgresql://u:hush@h/db")
    assert not load_settings().is_embedded


@pytest.mark.parametrize(
    ("url", "complete"),
    [
        ("postgresql://u@h:1/db", "postgresql://u:p%40%2F%3A@h:1/db"),
        ("postgresql://u:own@h/db", "postgresql://u:own@h/db"),
        ("postgresql://u@h/db?password=own", "postgresql://u@h/db?password=own"),
        ("postgresql://u@/db?host=/tmp/s", "postgresql://u:p%40%2F%3A@/db?host=/tmp/s"),
        ("postgresql:///db?user=u&host=h", "postgresql://u:p%40%2F%3A@/db?user=u&host=h"),
        ("postgresql://we%40ird@h/db", "postgresql://we%40ird:p%40%2F%3A@h/db"),
    ],
)
def test_pgpassword_completes_a_dsn_that_has_no_password(monkeypatch, url, complete):
    monkeypatch.setenv("PGPASSWORD", "p@/:")
    assert with_password(url) == complete


@pytest.mark.parametrize(
    ("line", "complete"),
    [
        ("h:5432:db:u:pw", "postgresql://u:pw@h/db"),
        ("*:*:*:u:a\\:b\\\\c", "postgresql://u:a%3Ab%5Cc@h/db"),
        ("h:5433:db:u:pw", "postgresql://u@h/db"),
        ("h:5432:db:u:back\\\\", "postgresql://u:back%5C@h/db"),
        ("# h:5432:db:u:pw", "postgresql://u@h/db"),
    ],
)
def test_the_password_file_completes_it_too(tmp_path, line, complete):
    (tmp_path / "pgpass").write_text(f"other:5432:db:u:no\n{line}\n", encoding="utf-8")
    assert with_password("postgresql://u@h/db") == complete


def test_the_hash_depends_on_values_and_not_on_their_order():
    assert config_hash({"a": 1, "b": 2}) == config_hash({"b": 2, "a": 1})
    assert config_hash({"a": 1}) != config_hash({"a": 2})
