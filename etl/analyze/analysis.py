"""Put the answers of phase 1 together."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from etl.analyze import queries
from etl.analyze.judge import Limits, advise, complexity, estimate
from etl.analyze.model import (
    NONE,
    Analysis,
    Completeness,
    DateRange,
    GameFacts,
    LineFacts,
    Part,
    Quality,
    Volume,
    pct,
)
from etl.extract.layout import REFERENCE_TABLES
from etl.extract.legacy import LegacySource

Row = Mapping[str, Any]
_MARKETS = {"moneylines_raw": "moneyline", "spreads_raw": "spread", "totals_raw": "totals"}


def analyze(source: LegacySource, *, rows_per_s: float, batch_rows: int, limits: Limits | None = None) -> Analysis:
    """What the legacy holds, under the source's snapshot.

    Args:
        source: the legacy.
        rows_per_s: source rows that a full run handles in a second, for the estimate.
        batch_rows: lines that a batch should hold.
        limits: from where on something is worth a reason or a recommendation; None for the usual ones.
    """
    limits = limits or Limits()
    groups = {name: _groups(source, name) for name in source.line_tables}
    profiles = {name: _profile(source, name) for name in REFERENCE_TABLES}
    profiles |= {name: _summed(rows, queries.profile_names(name)) for name, rows in groups.items()}
    strays = int(source.snapshot.rows(queries.strays_query(source))[0][0])
    (found,) = source.snapshot.rows(queries.games_query(source))
    counts = dict(zip(queries.GAME_COUNTS, found, strict=True))
    lines = _line_facts(groups, profiles, strays, int(counts.pop("of_unknown_game")))
    games, kinds = _game_facts(counts), source.snapshot.rows(queries.kinds_query(source))
    volumes = tuple(Volume(name, source.source_name(name), int(p["rows"])) for name, p in profiles.items())
    rows = sum(volume.rows for volume in volumes) + strays
    sources, books = _parts(groups, _source_name), _parts(groups, _book_name(source))
    expected = estimate(rows, lines.rows, rows_per_s=rows_per_s, batch_rows=batch_rows)
    return Analysis(
        layout=source.layout.name,
        snapshot_at=source.snapshot.taken_at,
        rows=rows,
        volumes=volumes,
        sources=sources,
        sportsbooks=books,
        dates=tuple(_dates(profiles)),
        quality=Quality(_counted(groups, "data_quality"), _counted(groups, "score")),
        completeness=tuple(_completeness(profiles)),
        lines=lines,
        games=games,
        seasons={str(value or NONE): int(n) for what, value, n in kinds if what == "season"},
        statuses={str(value or NONE): int(n) for what, value, n in kinds if what == "status"},
        complexity=complexity(lines, games, sources=len(sources), books=len(books), limits=limits),
        estimate=expected,
        recommendations=tuple(advise(lines, games, expected, limits)),
    )


def _groups(source: LegacySource, name: str) -> list[Row]:
    names = (*queries.LINE_GROUP, *queries.profile_names(name), *queries.LINE_COUNTS)
    found = source.snapshot.rows(queries.lines_query(source.tables[name]))
    return [dict(zip(names, row, strict=True)) for row in found]


def _profile(source: LegacySource, name: str) -> Row:
    (found,) = source.snapshot.rows(queries.profile_query(source.tables[name]))
    return dict(zip(queries.profile_names(name), found, strict=True))


def _summed(rows: Sequence[Row], names: Iterable[str]) -> Row:
    """The profile of all groups together: counts added, first and last dates found."""
    return {name: _together(name, [row[name] for row in rows]) for name in names}


def _together(name: str, values: Sequence[Any]) -> Any:
    if name.startswith("first:"):
        return min((value for value in values if value is not None), default=None)
    if name.startswith("last:"):
        return max((value for value in values if value is not None), default=None)
    return sum(int(value) for value in values)


def _line_facts(groups: Mapping[str, list[Row]], profiles: Mapping[str, Row], strays: int, unknown: int) -> LineFacts:
    odd = {name: sum(int(row[name]) for rows in groups.values() for row in rows) for name in queries.LINE_COUNTS}
    rows, unfit = (sum(int(profiles[name][what]) for name in groups) for what in ("rows", "unfit"))
    return LineFacts(rows=rows, strays=strays, of_unknown_game=unknown, unfit=unfit, **odd)


def _game_facts(counts: Mapping[str, Any]) -> GameFacts:
    rounded: dict[str, Any] = {k: round(float(v), 2) if isinstance(v, float) else v for k, v in counts.items()}
    return GameFacts(**rounded)


def _dates(profiles: Mapping[str, Row]) -> Iterable[DateRange]:
    for table, columns in queries.DATES.items():
        for column in columns:
            yield DateRange(table, column, profiles[table][f"first:{column}"], profiles[table][f"last:{column}"])


def _completeness(profiles: Mapping[str, Row]) -> Iterable[Completeness]:
    for table, profile in profiles.items():
        rows = int(profile["rows"])
        for column in queries.COLUMNS[table]:
            missing = rows - int(profile[f"values:{column}"])
            yield Completeness(table, column, rows, missing, pct(missing, rows))


def _counted(groups: Mapping[str, list[Row]], what: str) -> dict[str, int]:
    counted: Counter[str] = Counter()
    for row in (row for rows in groups.values() for row in rows):
        counted[row[what] or NONE] += int(row["rows"])
    return dict(sorted(counted.items()))


def _parts(groups: Mapping[str, list[Row]], name_of: Callable[[Row], str]) -> tuple[Part, ...]:
    """Lines by what `name_of` calls their group, largest first."""
    by_name: dict[str, Counter[str]] = {}
    for table, rows in groups.items():
        for row in rows:
            by_name.setdefault(name_of(row), Counter())[_MARKETS[table]] += int(row["rows"])
    total = sum(counted.total() for counted in by_name.values())
    parts = [Part(name, n.total(), pct(n.total(), total), dict(sorted(n.items()))) for name, n in by_name.items()]
    return tuple(sorted(parts, key=lambda part: (-part.rows, part.name)))


def _source_name(row: Row) -> str:
    return row["source"] or NONE


def _book_name(source: LegacySource) -> Callable[[Row], str]:
    """What a group's sportsbook is called: its own text, else the name of its id, else the id."""
    names = {int(key): name for key, name in source.snapshot.rows(queries.names_query(source))}

    def named(row: Row) -> str:
        if row["sportsbook"]:
            return str(row["sportsbook"])
        key = row["sportsbook_id"]
        return NONE if key is None else names.get(int(key)) or f"id {key}"

    return named
