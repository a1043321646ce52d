"""What is judged of facts alone: servers that are not here to be asked, machines other than this one."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from etl.analyze.doctor.disk import check_room, free_bytes
from etl.analyze.doctor.edges import Kind, edges, kinds
from etl.analyze.doctor.facts import ServerFacts, Setting, rooms
from etl.analyze.doctor.here import check_here
from etl.analyze.doctor.judge import judge_connections, judge_server
from etl.report import Check
from schemas import TABLES

SETTINGS = {
    "DateStyle": "ISO, MDY",
    "default_transaction_read_only": "off",
    "extra_float_digits": "1",
    "hot_standby_feedback": "off",
    "idle_in_transaction_session_timeout": "0",
    "max_standby_archive_delay": "30000",
    "max_standby_streaming_delay": "30000",
    "port": "5432",
    "reserved_connections": "2",
    "standard_conforming_strings": "on",
    "statement_timeout": "0",
    "superuser_reserved_connections": "3",
}
SOUND = ServerFacts(
    version_num=150_004,
    version="15.4",
    encoding="UTF8",
    timezone="Europe/Berlin",
    in_recovery=False,
    database="old",
    role="reader",
    is_superuser=False,
    max_connections=100,
    used=10,
    role_limit=-1,
    used_by_role=0,
    database_limit=-1,
    used_in_database=0,
    started_at=datetime(2024, 6, 1, tzinfo=UTC),
    size_bytes=10 * 1024**2,
    tablespace="pg_default",
    tablespace_dir="",
    settings={name: Setting(value, "default") for name, value in SETTINGS.items()},
)


def with_settings(**values):
    return replace(SOUND, settings=SOUND.settings | {name: Setting(value, "user") for name, value in values.items()})


def verdicts(side, facts):
    return {check.name: check for check in judge_server(side, facts) if not check.passed}


@pytest.mark.parametrize("side", ["legacy", "target"])
def test_a_sound_server_passes_and_its_time_zone_is_told(side):
    assert verdicts(side, SOUND) == {}
    (told,) = [check.actual for check in judge_server(side, SOUND) if check.name == "time zone"]
    assert told == "Europe/Berlin; a run reads in UTC all the same"


@pytest.mark.parametrize(
    ("number", "severity"), [(90_624, "error"), (120_022, "error"), (190_000, "warning"), (200_001, "warning")]
)
def test_versions_that_are_not_supported(number, severity):
    found = verdicts("target", replace(SOUND, version_num=number, version="x"))
    assert {name: check.severity for name, check in found.items()} == {"version": severity}


@pytest.mark.parametrize("number", [130_000, 180_004])
def test_versions_that_are_supported(number):
    assert verdicts("target", replace(SOUND, version_num=number)) == {}


@pytest.mark.parametrize(
    ("side", "encoding", "severity", "said"),
    [
        ("target", "LATIN1", "error", "create a database with encoding 'UTF8'"),
        ("target", "SQL_ASCII", "error", "create a database with encoding 'UTF8'"),
        ("legacy", "LATIN1", "warning", "text is converted from LATIN1"),
        ("legacy", "SQL_ASCII", "warning", "its bytes are taken for UTF-8"),
    ],
)
def test_encodings(side, encoding, severity, said):
    found = verdicts(side, replace(SOUND, encoding=encoding))["encoding"]
    assert found.severity == severity
    assert found.sentence.startswith(said)


@pytest.mark.parametrize(
    ("side", "settings", "severity"),
    [
        ("legacy", {}, "warning"),
        ("legacy", {"max_standby_streaming_delay": "-1"}, None),
        ("legacy", {"hot_standby_feedback": "on"}, None),
        ("target", {"hot_standby_feedback": "on"}, "error"),
    ],
)
def test_standbys(side, settings, severity):
    found = verdicts(side, replace(with_settings(**settings), in_recovery=True))
    assert found["standby"].severity == severity if severity else found == {}


def test_a_snapshot_of_the_legacy_outlives_the_timeout_that_a_run_switches_off_itself():
    facts = with_settings(idle_in_transaction_session_timeout="60000")
    assert verdicts("legacy", facts) == {}
    assert verdicts("target", facts)["timeouts"].actual == (
        "idle_in_transaction_session_timeout = 60000 ms (set by: user)"
    )


def test_settings_that_change_texts():
    facts = with_settings(extra_float_digits="0", standard_conforming_strings="off")
    found = verdicts("legacy", facts)["text forms"]
    assert found.actual == "extra_float_digits = 0, standard_conforming_strings = off"
    assert 'alter role "reader" in database "old" set extra_float_digits = 1' in found.sentence


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"server": 84}),
        ({"is_superuser": True, "role_limit": 1}, {"server": 89}),
        ({"role_limit": 5, "used_by_role": 2}, {"server": 84, "role reader": 2}),
        ({"database_limit": 9, "used_in_database": 4}, {"server": 84, "database old": 4}),
    ],
)
def test_free_sessions(changes, expected):
    assert rooms(replace(SOUND, **changes)) == expected


ELSEWHERE = replace(SOUND, started_at=datetime(2024, 6, 2, tzinfo=UTC))


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (ELSEWHERE, {"legacy": "5 free", "target": "7 free"}),
        (SOUND, {"legacy": "12 free", "target": "12 free"}),
        (replace(SOUND, role="loader", role_limit=8), {"legacy": "12 free", "target": "7 free"}),
    ],
    ids=["two servers", "one server", "one server, limited role"],
)
def test_sessions_that_a_run_needs(target, expected):
    checks = judge_connections({"legacy": SOUND, "target": target}, {"legacy": 5, "target": 7})
    assert {check.zone: check.expected for check in checks} == expected


def test_too_few_sessions_are_told_with_the_limit():
    (check,) = judge_connections({"legacy": replace(SOUND, used=93)}, {"legacy": 5, "target": 7})
    assert (check.passed, check.actual) == (False, "1 free (server)")


def test_room_on_a_disk_that_is_not_here_is_unknown():
    assert free_bytes(SOUND) is None
    assert check_room(SOUND, 1024**3).passed


def of_folder(folder, started_at):
    (folder / "postmaster.pid").write_text(f"1\n{folder}\n{int(started_at.timestamp())}\n5432\n")
    return replace(with_settings(data_directory=str(folder)), started_at=started_at)


def test_room_on_a_disk_that_is_here(tmp_path):
    facts = of_folder(tmp_path, SOUND.started_at)
    assert check_room(facts, 0).passed
    full = check_room(facts, 10**18)
    assert (full.passed, full.severity) == (False, "warning")


def test_a_folder_of_the_same_name_on_another_machine_is_not_taken_for_the_servers(tmp_path):
    facts = of_folder(tmp_path, SOUND.started_at)
    assert free_bytes(replace(facts, started_at=ELSEWHERE.started_at)) is None


def test_every_column_type_of_the_contracts_has_edge_values():
    wanted = {column.sql_type for table in TABLES.values() for column in table.columns}
    assert {kind.sql_type for kind in kinds()} == wanted
    assert all(len(edges(kind, major=18, is_utf8=True)) >= 3 for kind in kinds())


def test_edge_values_are_written_in_ascii_and_differ():
    for kind in kinds():
        written = [edge.sql for edge in edges(kind, major=18, is_utf8=True)]
        assert all(sql.isascii() for sql in written)
        assert len(set(written)) == len(written)


def test_edge_values_that_a_server_cannot_hold_are_left_out():
    wide = next(kind for kind in kinds() if kind.given == "numeric")
    assert "'Infinity'" in [edge.sql for edge in edges(wide, major=14, is_utf8=True)]
    assert "'Infinity'" not in [edge.sql for edge in edges(wide, major=13, is_utf8=True)]
    text = next(kind for kind in kinds() if kind.sql_type == "text")
    assert not any(edge.needs_utf8 for edge in edges(text, major=18, is_utf8=False))


def test_a_type_without_edge_values_is_a_fault():
    stranger = replace(next(kinds()), sql_type="interval", given="interval")
    with pytest.raises(KeyError, match="interval"):
        edges(stranger, major=18, is_utf8=True)


def test_the_kinds_are_named_for_people():
    kind = next(kinds())
    assert Kind("integer", kind.dtype, "bigint").name == "integer from bigint"


def here(home, **how):
    return {check.name: check for check in check_here(home, **{"workers": 1, "batch_rows": 1} | how)}


def test_the_libraries_are_told(tmp_path):
    assert here(tmp_path).keys() >= {"polars", "connectorx", "adbc-driver-postgresql", "pandera", "memory", "cores"}


def test_a_home_that_is_not_there_yet_is_made_by_a_run(tmp_path):
    assert here(tmp_path / "new" / "home")["ETL_HOME"].passed
    assert not (tmp_path / "new").exists()


def test_a_home_that_is_a_file_is_an_error(tmp_path):
    (tmp_path / "home").touch()
    found = here(tmp_path / "home" / "below")["ETL_HOME"]
    assert (found.passed, found.severity) == (False, "error")


def test_more_than_the_machine_has_is_a_warning(tmp_path):
    found = here(tmp_path, workers=100_000)
    assert isinstance(found["memory"], Check)
    assert [(found[name].passed, found[name].severity) for name in ("memory", "cores")] == [(False, "warning")] * 2
