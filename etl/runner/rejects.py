"""What was refused: counted by rule, shown whole, taken out as a file. Nothing is changed here."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from etl import database
from etl.database import Connection, identifier, literal
from etl.errors import ConfigurationError
from etl.extract.reader import read_frame
from etl.load import ledger
from schemas import TABLES

_NAMED = 5  # candidates that an ambiguous question names
_KEY_LETTERS = frozenset("0123456789abcdef")
SUFFIXES = (".parquet", ".csv", ".json")
_COUNTED = ("zone", "table", "rule", "rows", "rejects", "runs", "first_run", "example", "sentence")
_SHOWN = (
    *("reject_key", "zone", "table_name", "source_table", "source_id", "rule", "reason", "first_run_id"),
    "forgotten_runs",
)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rejects are meant. `run_id` None: those of the runs whose loads readers see now, each in its own zone.

    `rule` means every reject that broke it, whatever else it broke.
    """

    run_id: int | None = None
    rule: str | None = None
    zone: str | None = None
    table: str | None = None

    def condition(self, published: Sequence[tuple[str, int]]) -> str:
        """SQL over the columns of `audit.rejects` and `audit.sightings`; `published` are (zone, run)."""
        here = met_by(published) if self.run_id is None else f"run_id = {self.run_id}"
        parts = [
            f"({here})",
            *([f"{literal(self.rule)} = any(rules)"] if self.rule else []),
            *([f"zone = {literal(self.zone)}"] if self.zone else []),
            *([f"table_name = {literal(self.table.rpartition('.')[2])}"] if self.table else []),
        ]
        if self.table and "." in self.table:
            parts.append(f"zone = {literal(self.table.partition('.')[0])}")
        return " and ".join(parts)


def met_by(published: Sequence[tuple[str, int]]) -> str:
    """SQL: the sighting is of the run that wrote what readers see of the reject's zone."""
    pairs = ", ".join(f"({literal(zone)}, {run})" for zone, run in published)
    return f"(zone, run_id) in ({pairs})" if pairs else "false"


def published_runs(connection: Connection) -> list[tuple[str, int]]:
    """(zone, run) of the loads that readers see now."""
    found = {(name.partition(".")[0], load) for name, load in ledger.current_map(connection).items()}
    return sorted(found)


def _require_ledger(connection: Connection) -> None:
    if database.scalar(connection, "select to_regclass('audit.sightings')::text") is None:
        raise ConfigurationError("nothing was ever loaded into this target", next_step="etl run")


def count_rejects(target_url: str, selection: Selection) -> list[dict[str, Any]]:
    """One entry for each zone, table and first rule, most rows first; see `_COUNTED`.

    `rows` counts every copy, `rejects` each row once; `runs` is how many runs met any of them, forgotten ones included
    as far as one reject knows of them; `example` is a source id, null where the rows have none.
    """
    with database.session(target_url, autocommit=True) as connection:
        _require_ledger(connection)
        where = selection.condition(published_runs(connection))
        found = database.rows(
            connection,
            f"""with chosen as (
                select reject_key, zone, table_name, rule, reason, source_id, first_run_id,
                    coalesce(forgotten_runs, 0) as forgotten, sum(copies)::bigint as copies
                from audit.rejects join audit.sightings using (reject_key) where {where} group by 1),
            met as (select zone, table_name, rule, count(distinct run_id) as runs
                from chosen join audit.sightings using (reject_key) group by 1, 2, 3)
            select zone, table_name, rule, sum(copies)::bigint, count(*), max(m.runs) + max(forgotten),
                min(first_run_id), (array_agg(source_id order by reject_key))[1], max(reason)
            from chosen join met m using (zone, table_name, rule) group by 1, 2, 3 order by 4 desc, 1, 2, 3""",
        )
    return [dict(zip(_COUNTED, row, strict=True)) for row in found]


def find_rejects(target_url: str, name: str) -> list[dict[str, Any]]:
    """The rejects that ``KEY`` or ``TABLE:ID`` names, whole: row, origin, rules with sentences, runs.

    Raises:
        ConfigurationError: there is none, or the beginning of a key fits several.
    """
    with database.session(target_url, autocommit=True) as connection:
        _require_ledger(connection)
        where, is_key = _named(name), ":" not in name
        found = database.rows(
            connection,
            f"select {', '.join(_SHOWN)}, to_json(rules)::text, row::text from audit.rejects where {where} "
            "order by zone, table_name, reject_key",
        )
        if not found:
            raise ConfigurationError(f"no reject is {name!r}", next_step="etl rejects list")
        if is_key and len(found) > 1:
            keys = ", ".join(str(row[0]) for row in found[:_NAMED])
            raise ConfigurationError(f"{len(found)} rejects begin with {name!r}: {keys}", next_step="give more of it")
        return [_whole(connection, row) for row in found]


def _named(name: str) -> str:
    table, colon, source_id = name.partition(":")
    if colon:
        zone, dot, bare = table.rpartition(".")
        in_zone = f" and zone = {literal(zone)}" if dot else ""
        return f"table_name = {literal(bare)} and source_id = {literal(source_id)}{in_zone}"
    if not name or not set(name.lower()) <= _KEY_LETTERS:
        raise ConfigurationError(
            f"{name!r} is neither a key nor TABLE:ID", next_step="etl rejects show --help; keys: etl rejects export"
        )
    return f"reject_key like {literal(name.lower() + '%')}"


def _whole(connection: Connection, found: tuple[Any, ...]) -> dict[str, Any]:
    *plain, rules, row = found
    facts = dict(zip(_SHOWN, plain, strict=True))
    runs = database.rows(
        connection,
        f"select run_id, batch_id, copies from audit.sightings where reject_key = {literal(facts['reject_key'])} "
        "order by 1, 2",
    )
    known = _sentences(facts["zone"], facts["table_name"]) | {facts["rule"]: facts["reason"]}
    return facts | {
        "rules": [{"rule": name, "sentence": known.get(name, "")} for name in json.loads(rules)],
        "runs": [{"run": run, "batch": batch, "copies": copies} for run, batch, copies in runs],
        "row": json.loads(row),
    }


def _sentences(zone: str, name: str) -> dict[str, str]:
    from etl.check.contract import sentences  # noqa: PLC0415 - contracts and transforms are slow to load
    from etl.runner.steps import SENTENCES  # noqa: PLC0415

    table = TABLES.get(f"{zone}.{name}")
    return SENTENCES | (sentences(table) if table else {})


def export_rejects(target_url: str, selection: Selection, path: Path, *, force: bool) -> int:
    """Write the chosen rejects to a file of the format that its name ends in; return how many there are.

    All columns, the row as JSON text, with the runs of the selection that met it and their copies. A reader of the
    file sees the old one or the new one, never a half.

    Raises:
        ConfigurationError: the name ends in none of `SUFFIXES`, or the file exists and `force` is not given.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ConfigurationError(
            f"{path.name}: the format is not known by its ending", next_step=f"end the name in {', '.join(SUFFIXES)}"
        )
    if path.exists() and not force:
        raise ConfigurationError(f"{path} exists", next_step="give another name, or --force to replace it")
    frame = _read_all(target_url, selection)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    try:
        _write(frame, draft, suffix)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return len(frame)


def _read_all(target_url: str, selection: Selection) -> pl.DataFrame:
    with database.session(target_url, autocommit=True) as connection:
        _require_ledger(connection)
        where = selection.condition(published_runs(connection))
    columns = ", ".join(
        f"{identifier(column.name)}::text" if column.sql_type == "jsonb" else identifier(column.name)
        for column in TABLES["audit.rejects"].columns
    )
    met = (
        "select reject_key as met_key, array_agg(distinct run_id order by run_id) as run_ids, "
        f"sum(copies)::bigint as copies from audit.rejects join audit.sightings using (reject_key) where {where} "
        "group by 1"
    )
    # NOTE: connectorx reads it: rows come as columns, not as a Python object each.
    return read_frame(
        f"select {columns}, run_ids, copies from audit.rejects join ({met}) m on met_key = reject_key "
        "order by zone, table_name, reject_key",
        target_url,
    )


def _write(frame: pl.DataFrame, path: Path, suffix: str) -> None:
    if suffix == ".parquet":
        frame.write_parquet(path)
    elif suffix == ".json":
        frame.write_json(path)
    else:
        texts = pl.col("rules").list.join(";"), pl.col("run_ids").cast(pl.List(pl.String)).list.join(";")
        frame.with_columns(texts).write_csv(path)
