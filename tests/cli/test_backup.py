"""Backup, restore and alerts as their users meet them: messages, exit codes, JSON, and secrets that stay secret."""

import json
import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from etl.cli import app
from tests.runs import attached, sample, scalar, seen
from tests.servers import DEBIAN_PROGRAMS, PASSWORD, PASSWORD_IN_URL, execute, free_port

HUSH = (PASSWORD, PASSWORD_IN_URL)
FACTS = 'env | grep -E "^(FAILED|ETL|PG)_?" > "$ALERT_FILE"'


@pytest.fixture(scope="module")
def legacy(debian, tmp_path_factory):
    execute(debian.url("postgres"), "create database backups_legacy template template0")
    sample(debian.url("backups_legacy"), tmp_path_factory.mktemp("backups") / "truth", scale=0.02)
    yield debian.url_with_password("backups_legacy")
    execute(debian.url("postgres"), "drop database backups_legacy with (force)")


@pytest.fixture
def target(debian):
    execute(debian.url("postgres"), "create database backups_target template template0")
    yield debian.url_with_password("backups_target")
    execute(debian.url("postgres"), "drop database backups_target with (force)")


@pytest.fixture
def etl(monkeypatch, tmp_path, legacy, target):
    """Runs a command; gives (exit code, stdout, stderr in one line)."""
    for name in [name for name in os.environ if name.startswith(("ETL_", "PG", "LOG_LEVEL"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ETL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ETL_LEGACY_URL", legacy)
    monkeypatch.setenv("ETL_TARGET_URL", target)

    def run(*arguments):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert not any(secret in result.output for secret in HUSH)
        return result.exit_code, result.stdout, " ".join(result.stderr.split())

    return run


@pytest.fixture
def alert(monkeypatch, tmp_path):
    """Gives the facts that the command of --on-failure was told, None if it was not called."""
    file = tmp_path / "alert.txt"
    monkeypatch.setenv("ALERT_FILE", str(file))

    def facts():
        return dict(line.split("=", 1) for line in file.read_text().splitlines()) if file.exists() else None

    return facts


def test_there_and_back(etl, target, tmp_path):
    assert etl("run", "--phase", "raw")[0] == 0
    code, out, _ = etl("backup", "--json")
    made = json.loads(out)
    assert (code, made["run"]) == (0, 1)
    assert made["file"].startswith(str(tmp_path / "home" / "backups" / "etl_backups-target_"))
    before = attached(target), seen(target)
    code, _, said = etl("restore", made["file"])
    assert (code, "tables of etl already; nothing was changed" in said) == (2, True)
    code, out, _ = etl("restore", made["file"], "--force", "--yes", "--json")
    assert (code, json.loads(out)["published"]) == (0, 1)
    assert (attached(target), seen(target)) == before


def test_what_cannot_be_backed_up_or_restored(etl, tmp_path):
    code, _, said = etl("backup")
    assert (code, "holds no tables of etl" in said) == (2, True)
    code, _, said = etl("restore", tmp_path / "nowhere")
    assert (code, f"cannot read {tmp_path}/nowhere" in said) == (2, True)
    assert not (tmp_path / "home" / "backups").exists()


def test_a_backup_that_is_asked_for_and_cannot_be_taken_stops_the_run(etl, target, monkeypatch):
    assert etl("run", "--phase", "raw")[0] == 0
    monkeypatch.setenv("ETL_BACKUP_WHEN", "first")
    monkeypatch.setenv("ETL_BACKUP_DIR", "/proc/nothing")
    code, _, said = etl("run", "--phase", "raw")
    assert (code, "no backup can be written to /proc/nothing" in said) == (2, True)
    assert scalar(target, "select max(run_id) from audit.runs") == 1


def test_a_publication_stands_whose_backup_failed(etl, target, monkeypatch, alert):
    monkeypatch.setenv("ETL_BACKUP_WHEN", "each_phase")
    monkeypatch.setenv("ETL_BACKUP_DIR", "/proc/nothing")
    code, out, said = etl("run", "--phase", "raw", "--json", "--on-failure", FACTS)
    assert (code, json.loads(out)["published"]) == (1, True)
    assert "run 1 is published, but no backup can be written" in said
    assert "next: mend the cause, then: etl backup" in said
    assert alert()["FAILED_STATUS"] == "published"


def test_a_backup_of_each_publication(etl, monkeypatch, tmp_path):
    monkeypatch.setenv("ETL_BACKUP_WHEN", "each_phase")
    monkeypatch.setenv("ETL_BACKUP_KEEP", "2")
    said = [etl("run", "--phase", phase)[2] for phase in ("raw", "staging")]
    assert "nothing to back up before this run" in said[0]
    assert all("backup: " in text for text in said)
    runs = sorted(path.name.rpartition("_")[2] for path in (tmp_path / "home" / "backups").iterdir())
    assert runs == ["run1.dump", "run2.dump"]


def test_no_password_in_the_list_of_processes(etl, target, tmp_path):
    """pg_dump and psql are replaced by programs that tell what they were called with, before they do their work."""
    assert etl("run", "--phase", "raw")[0] == 0
    heard, folder = tmp_path / "heard", tmp_path / "bin"
    folder.mkdir()
    real = json.loads(etl("backup", "--json")[1])
    for name in ("pg_dump", "pg_restore", "psql"):
        (folder / name).write_text(f'#!/bin/sh\necho "{name} $@" >> {heard}\nexec {DEBIAN_PROGRAMS}/{name} "$@"\n')
        (folder / name).chmod(0o755)
    config = tmp_path / "own.toml"
    config.write_text(f"[backup]\nbin_dir = '{folder}'\n")
    assert etl("backup", "--config", config)[0] == 0
    assert etl("restore", real["file"], "--force", "--yes", "--config", config)[0] == 0
    told = heard.read_text()
    assert {line.split()[0] for line in told.splitlines()} == {"pg_dump", "pg_restore", "psql"}
    assert not any(secret in told for secret in HUSH)


def test_an_alert_is_told_what_happened_and_no_secret(etl, monkeypatch, alert, tmp_path):
    monkeypatch.setenv("ETL_GATES_VALIDATED_MIN_PCT", "100")
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    code, _, _ = etl("run", "--on-failure", FACTS)
    facts = alert()
    assert code == 4
    assert (facts["FAILED_EXIT_CODE"], facts["FAILED_RUN_ID"], facts["FAILED_STATUS"]) == ("4", "1", "failed")
    assert facts["FAILED_REPORT"] == str(tmp_path / "home" / "reports" / "run_1.json")
    assert "gate validated" in facts["FAILED_MESSAGE"]
    assert not {"ETL_LEGACY_URL", "ETL_TARGET_URL", "PGPASSWORD"} & set(facts)
    assert not any(secret in str(facts) for secret in HUSH)


def test_an_alert_of_a_run_that_never_began(etl, monkeypatch, alert):
    monkeypatch.setenv("ETL_RUN_ON_FAILURE", FACTS)
    monkeypatch.setenv("ETL_TARGET_URL", f"postgresql://u@127.0.0.1:{free_port()}/db")
    code, _, _ = etl("run")
    assert code == 3
    assert (alert()["FAILED_EXIT_CODE"], alert()["FAILED_RUN_ID"]) == ("3", "")
    assert alert()["FAILED_MESSAGE"].startswith("cannot reach")


def test_no_alert_of_a_run_that_succeeds(etl, alert):
    assert etl("run", "--phase", "raw", "--on-failure", FACTS)[0] == 0
    assert alert() is None


@pytest.mark.parametrize(
    ("script", "warning"),
    [("exit 9", "ended with code 9"), ("sleep 60", "was stopped after 0.3 s"), ("/nowhere", "ended with code 127")],
)
def test_an_alert_that_fails_changes_no_exit_code(etl, monkeypatch, script, warning):
    monkeypatch.setenv("ETL_RUN_ON_FAILURE_TIMEOUT_S", "0.3")
    code, _, said = etl("run", "--phase", "curated", "--on-failure", script)
    assert (code, warning in said) == (2, True)


def test_what_an_alert_prints_is_no_data(legacy, target, etl):
    command = [sys.executable, "-m", "etl", "run", "--phase", "curated", "--json", "--on-failure", "echo alarm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "alarm" in done.stderr, "alarm" in done.stdout) == (2, True, False)
