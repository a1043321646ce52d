"""MLB clubs: what a text, written by some feed in some season, names. Features definition, section 7.

A club is an MLB Stats API team id. A text is looked up exactly, after trimming and lower-casing; nothing is guessed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from etl.errors import ConfigurationError
from etl.transform.clean import expr_key

ANY = "any"
LAST_SEASON = 2100
_NOBODY = 0
_ENTRY = {"code_set": pl.String, "text": pl.String, "from_": pl.Int32, "to": pl.Int32, "team_id": pl.Int32}


@dataclass(frozen=True, slots=True)
class ClubName:
    """A club under one name, from season `valid_from` to `valid_to` (None: still). `codes` are (code set, code)."""

    team_id: int
    valid_from: int
    valid_to: int | None
    city: str | None
    nickname: str
    league: str
    codes: tuple[tuple[str, str], ...]
    aliases: tuple[str, ...]

    @property
    def code(self) -> str:
        """Code at MLB."""
        return dict(self.codes)["mlb"]

    @property
    def name(self) -> str:
        """Full name; the nickname alone where the club carries no city."""
        return f"{self.city} {self.nickname}" if self.city else self.nickname


@dataclass(frozen=True, slots=True)
class TeamCatalogue:
    """All clubs, which code set a feed writes in, and the codes that are not what they seem.

    `private` are (code set, code) that mean the club in that set alone. `foreign` are (code set, code, first season,
    last season) in which the code names a club that is not in the catalogue.
    """

    names: tuple[ClubName, ...]
    feeds: tuple[tuple[str, str], ...]
    private: frozenset[tuple[str, str]]
    foreign: tuple[tuple[str, str, int, int], ...]


@dataclass(frozen=True, slots=True)
class ClubLookup:
    """Texts as frames: `always` (code_set, text, team_id) whatever the season, `seasonal` with a season as well."""

    always: pl.LazyFrame
    seasonal: pl.LazyFrame
    feeds: tuple[tuple[str, str], ...]


def team_catalogue(config: Mapping[str, Any]) -> TeamCatalogue:
    """The catalogue that the parsed `config/teams.toml` describes.

    Raises:
        ConfigurationError: an entry lacks a value.
    """
    try:
        return TeamCatalogue(
            names=tuple(_club_name(club) for club in config["club"]),
            feeds=tuple(config.get("feeds", {}).items()),
            private=frozenset((entry["code_set"], entry["text"]) for entry in config.get("private", ())),
            foreign=tuple(
                (entry["code_set"], entry["text"], entry.get("valid_from", 0), entry.get("valid_to", LAST_SEASON))
                for entry in config.get("foreign", ())
            ),
        )
    except KeyError as missing:
        raise ConfigurationError(
            f"config/teams.toml: an entry has no {missing}", next_step="compare it with the entries beside it"
        ) from missing


def _club_name(club: Mapping[str, Any]) -> ClubName:
    codes = ((code_set, code) for code_set, given in club["codes"].items() for code in _listed(given))
    return ClubName(
        team_id=club["team_id"],
        valid_from=club["valid_from"],
        valid_to=club.get("valid_to"),
        city=club.get("city"),
        nickname=club["nickname"],
        league=club["league"],
        codes=tuple(codes),
        aliases=tuple(club.get("aliases", ())),
    )


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def club_lookup(catalogue: TeamCatalogue) -> ClubLookup:
    """All texts that name a club, for every code set and for feeds that write in none (``any``).

    A text of a set's own wins over the common pool. Where a text names one club in all seasons the season is not asked.
    """
    entries = pl.LazyFrame(list(_entries(catalogue)), schema=_ENTRY, orient="row").with_columns(
        expr_key(pl.col("text"))
    )
    sets = pl.LazyFrame({"code_set": sorted({ANY, *dict(catalogue.feeds).values()})})
    pool = entries.filter(pl.col("code_set") == ANY).drop("code_set").join(sets, how="cross").select(list(_ENTRY))
    own = entries.filter(pl.col("code_set") != ANY)
    known = pl.concat([own, pool.join(own, on=["code_set", "text"], how="anti")]).with_columns(
        clubs=pl.col("team_id").n_unique().over("code_set", "text")
    )
    return ClubLookup(
        always=known.filter(pl.col("clubs") == 1).select("code_set", "text", "team_id").unique().pipe(_real),
        seasonal=known.filter(pl.col("clubs") > 1).pipe(_by_season).pipe(_real),
        feeds=catalogue.feeds,
    )


def _real(lf: pl.LazyFrame) -> pl.LazyFrame:
    return lf.filter(pl.col("team_id") != _NOBODY)


def _by_season(lf: pl.LazyFrame) -> pl.LazyFrame:
    """One row a season in which the text names exactly one club."""
    return (
        lf.with_columns(season=pl.int_ranges("from_", pl.col("to") + 1, dtype=pl.Int32))
        .explode("season", empty_as_null=False, keep_nulls=False)
        .group_by("code_set", "text", "season")
        .agg(pl.col("team_id").unique().sort())
        .filter(pl.col("team_id").list.len() == 1)
        .with_columns(pl.col("team_id").list.first())
    )


def _entries(catalogue: TeamCatalogue) -> Iterator[tuple[str, str, int, int, int]]:
    for club in catalogue.names:
        until = club.valid_to or LAST_SEASON
        for code_set, code in club.codes:
            yield code_set, code, club.valid_from, until, club.team_id
        for text in _texts(club, catalogue.private):
            yield ANY, text, club.valid_from, until, club.team_id
    for code_set, text, first, last in catalogue.foreign:
        yield code_set, text, first, last, _NOBODY


def _texts(club: ClubName, private: frozenset[tuple[str, str]]) -> set[str]:
    codes = {code for code_set, code in club.codes if (code_set, code) not in private}
    places = {club.city} if club.city else set()
    return {club.nickname, *club.aliases, *codes, *places, *(f"{place} {club.nickname}" for place in codes | places)}


def expr_code_set(source: pl.Expr, *, feeds: tuple[tuple[str, str], ...]) -> pl.Expr:
    """Code set that a feed writes in; ``any`` for a feed that is unknown or writes in no set of its own."""
    return expr_key(source).replace_strict(dict(feeds), default=ANY, return_dtype=pl.String)


def with_team(lf: pl.LazyFrame, *, lookup: ClubLookup, text: str, season: str, code_set: str, out: str) -> pl.LazyFrame:
    """Add the club (Int32) that column `text` names in that season and code set. Null if it names none or several.

    The row count is unchanged.
    """
    lf = lf.with_columns(_text=expr_key(pl.col(text)), _season=pl.col(season).cast(pl.Int32))
    return (
        lf.join(lookup.always, left_on=[code_set, "_text"], right_on=["code_set", "text"], how="left")
        .join(
            lookup.seasonal,
            left_on=[code_set, "_text", "_season"],
            right_on=["code_set", "text", "season"],
            how="left",
            suffix="_seasonal",
        )
        .with_columns(pl.coalesce("team_id", "team_id_seasonal").alias(out))
        .drop("_text", "_season", "team_id", "team_id_seasonal")
    )


def club_names(catalogue: TeamCatalogue) -> pl.LazyFrame:
    """One row a club and name: team_id, valid_from, valid_to, code, city, nickname, name, league."""
    rows = [
        (n.team_id, n.valid_from, n.valid_to, n.code, n.city, n.nickname, n.name, n.league) for n in catalogue.names
    ]
    schema: dict[str, Any] = {"team_id": pl.Int32, "valid_from": pl.Int16, "valid_to": pl.Int16, "code": pl.String}
    schema |= dict.fromkeys(("city", "nickname", "name", "league"), pl.String)
    return pl.LazyFrame(rows, schema=schema, orient="row")


def staged_teams(teams_raw: pl.LazyFrame, catalogue: TeamCatalogue) -> pl.LazyFrame:
    """Rows of `staging.teams`: one a club and name of the catalogue, with its legacy row (smallest id), if any."""
    listed = teams_raw.group_by("team_id").agg(raw_id=pl.col("id").min()).drop_nulls("team_id")
    return club_names(catalogue).join(listed, on="team_id", how="left")
