"""Judge the facts of a server: pure functions, so that a standby or an old version is judged without having one."""

from collections.abc import Iterator, Mapping

from etl.analyze.doctor.facts import FORMS, TIMEOUTS, ServerFacts, rooms
from etl.report import Check

OLDEST, NEWEST = 13, 18  # major versions that the project supports
LEGACY, TARGET = "legacy", "target"
_SWITCHED_OFF = {(LEGACY, "idle_in_transaction_session_timeout")}  # by the session that holds the snapshot
_URL = {LEGACY: "ETL_LEGACY_URL", TARGET: "ETL_TARGET_URL"}


def judge_server(side: str, facts: ServerFacts) -> list[Check]:
    """The checks of what every server has, whichever side it is."""
    return [
        _version(side, facts),
        _encoding(side, facts),
        _time_zone(side, facts),
        _forms(side, facts),
        _timeouts(side, facts),
        _recovery(side, facts),
        *([_read_only(facts)] if side == TARGET else []),
    ]


def _version(side: str, facts: ServerFacts) -> Check:
    is_fit, is_new = OLDEST <= facts.major <= NEWEST, facts.major > NEWEST
    said = "not tried yet: run against a copy first" if is_new else f"use a server of version {OLDEST} to {NEWEST}"
    return Check(
        side, "version", is_fit, f"PostgreSQL {OLDEST} to {NEWEST}", facts.version,
        "warning" if is_new else "error", "" if is_fit else said,
    )  # fmt: skip


def _encoding(side: str, facts: ServerFacts) -> Check:
    """The legacy's text is converted as it is read; the target would take UTF-8 for its own."""
    is_fit = facts.encoding == "UTF8"
    said = (
        f"create a database with encoding 'UTF8' template template0 and give it in {_URL[TARGET]}"
        if side == TARGET
        else "its bytes are taken for UTF-8: a text that is none makes its whole batch fail; find such rows first"
        if facts.encoding == "SQL_ASCII"
        else f"text is converted from {facts.encoding} as it is read; compare a sample of rows after the run"
    )
    severity = "error" if side == TARGET else "warning"
    return Check(side, "encoding", is_fit, "UTF8", facts.encoding, severity, "" if is_fit else said)


def _time_zone(side: str, facts: ServerFacts) -> Check:
    actual = "UTC" if facts.timezone in ("UTC", "Etc/UTC") else f"{facts.timezone}; a run reads in UTC all the same"
    return Check(side, "time zone", passed=True, expected="any", actual=actual)


def _forms(side: str, facts: ServerFacts) -> Check:
    """Settings that change how a value reads as text, or how a literal is taken."""
    is_fit = {
        "DateStyle": facts.value("DateStyle").startswith("ISO"),
        "extra_float_digits": int(facts.value("extra_float_digits") or 1) >= 1,
        "standard_conforming_strings": facts.value("standard_conforming_strings") == "on",
    }
    wrong = [f"{name} = {facts.value(name)}" for name in FORMS if not is_fit[name]]
    return Check(
        side, "text forms", not wrong, "DateStyle ISO, exact floats, standard strings",
        ", ".join(wrong) or "as expected",
        sentence=_reset(side, facts, [name for name in FORMS if not is_fit[name]]),
    )  # fmt: skip


def _timeouts(side: str, facts: ServerFacts) -> Check:
    """A run holds one snapshot, one idle session with its lock, and long statements: such settings end them."""
    given = [name for name in TIMEOUTS if facts.value(name) not in ("", "0")]
    hurting = [name for name in given if (side, name) not in _SWITCHED_OFF]
    named = [f"{name} = {facts.value(name)} ms (set by: {facts.settings[name].source})" for name in given]
    return Check(
        side, "timeouts", not hurting, "none", ", ".join(named) or "none", "warning",
        f"a longer run would be cut off: {_reset(side, facts, hurting)}" if hurting else "",
    )  # fmt: skip


def _reset(side: str, facts: ServerFacts, names: list[str]) -> str:
    """What makes the role's sessions have the values that a run needs."""
    fit = {"DateStyle": "'ISO, MDY'", "extra_float_digits": "1", "standard_conforming_strings": "on"}
    steps = [
        f"take {name} out of the options in {_URL[side]} or PGOPTIONS"
        if facts.settings[name].source == "client"
        else f'alter role "{facts.role}" in database "{facts.database}" set {name} = {fit.get(name, "0")}'
        for name in names
    ]
    return "; ".join(steps)


def _recovery(side: str, facts: ServerFacts) -> Check:
    if not facts.in_recovery:
        return Check(side, "standby", passed=True, expected="a primary", actual="a primary")
    if side == TARGET:
        return Check(
            side, "standby", passed=False, expected="a primary", actual="a standby, which takes no writes",
            sentence=f"give the primary's address in {_URL[TARGET]}",
        )  # fmt: skip
    streaming, archive = (_delay(facts, f"max_standby_{kind}_delay") for kind in ("streaming", "archive"))
    feedback = facts.value("hot_standby_feedback")
    is_safe = feedback == "on" or facts.value("max_standby_streaming_delay") == "-1"
    actual = (
        f"a hot standby, max_standby_streaming_delay {streaming}, max_standby_archive_delay {archive}, "
        f"hot_standby_feedback {feedback}"
    )
    said = (
        "a run that reads longer than the delay may lose its snapshot to the primary's vacuum: set "
        "max_standby_streaming_delay = -1 or hot_standby_feedback = on on the standby for the time of the run"
    )
    return Check(
        side, "standby", is_safe, "a primary, or a standby that waits for its readers", actual, "warning",
        "" if is_safe else said,
    )  # fmt: skip


def _delay(facts: ServerFacts, name: str) -> str:
    value = facts.value(name)
    return {"-1": "without end", "": "unknown"}.get(value, f"{value} ms")


def _read_only(facts: ServerFacts) -> Check:
    is_fit = facts.value("default_transaction_read_only") == "off"
    said = f'alter role "{facts.role}" in database "{facts.database}" set default_transaction_read_only = off'
    return Check(
        TARGET, "writable", is_fit, "default_transaction_read_only = off",
        "it is" if is_fit else f"on (set by: {facts.settings['default_transaction_read_only'].source})",
        sentence="" if is_fit else said,
    )  # fmt: skip


def judge_connections(facts: Mapping[str, ServerFacts], needed: Mapping[str, int]) -> Iterator[Check]:
    """Whether a run finds as many sessions as it opens: on the server, for the role and in the database.

    Args:
        facts: by side; of both sides, if they are on one server, the needs count together where the limit is one.
        needed: sessions that a run opens at once, by side.
    """
    for side, own in facts.items():
        shared = [rooms(other) if own.is_same_server(other) else {} for name, other in facts.items() if name != side]
        wanted = {
            limit: sum(needed.values()) if any(limit in found for found in shared) else needed[side]
            for limit in rooms(own)
        }
        room, limit = min((room - wanted[limit], limit) for limit, room in rooms(own).items())
        raised = "max_connections of the server" if limit == "server" else f"the connection limit of {limit}"
        said = f"use fewer --workers, end idle sessions, or raise {raised}"
        yield Check(
            side, "connections", room >= 0, f"{wanted[limit]} free", f"{max(rooms(own)[limit], 0)} free ({limit})",
            sentence="" if room >= 0 else said,
        )  # fmt: skip
