"""The parameters of the transforms: configuration files, read and checked once at the door."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etl.errors import ConfigurationError
from etl.extract.layout import Layout, TableMap
from etl.settings import CONFIG_DIR, config_hash, read_toml
from etl.transform.books import Book, book_catalogue
from etl.transform.curated_params import (
    ConsensusParams,
    CuratedParams,
    FormParams,
    MovementParams,
    SettleParams,
    SplitParams,
)
from etl.transform.sections import section
from etl.transform.staging_params import StagingParams, staging_params
from etl.transform.teams import TeamCatalogue, team_catalogue

SECTIONS: dict[str, type[Any]] = {
    "consensus": ConsensusParams,
    "movement": MovementParams,
    "form": FormParams,
    "settle": SettleParams,
    "splits": SplitParams,
}
FILES = ("quality", "features", "teams", "sportsbooks")


@dataclass(frozen=True, slots=True)
class Params:
    """All that the rows of a run depend on, besides the legacy and the code."""

    staging: StagingParams
    curated: CuratedParams
    teams: TeamCatalogue
    books: tuple[Book, ...]
    config_hash: str


def load_params() -> Params:
    """The parameters that the files in `config/` describe.

    Raises:
        ConfigurationError: a file or a key is missing, unknown or wrong.
    """
    given = {name: read_toml(CONFIG_DIR / f"{name}.toml") for name in FILES}
    stamp = config_hash(*given.values())
    return Params(
        staging=staging_params(given["quality"]),
        curated=curated_params(given["features"], stamp=stamp),
        teams=team_catalogue(given["teams"]),
        books=book_catalogue(given["sportsbooks"]),
        config_hash=stamp,
    )


def curated_params(given: Mapping[str, Any], *, stamp: str) -> CuratedParams:
    """The parameters that the parsed `config/features.toml` describes; `stamp` is the hash that rows carry.

    Raises:
        ConfigurationError: a key is missing, unknown or wrong.
    """
    made: dict[str, Any] = {
        name: section(kind, given.get(name, {}), place=f"features.toml [{name}]") for name, kind in SECTIONS.items()
    }
    return section(
        CuratedParams, {**given.get("features", {}), **made, "config_hash": stamp}, place="features.toml [features]"
    )


def load_layout(name: str, folder: Path = CONFIG_DIR / "legacy") -> Layout:
    """The layout that `config/legacy/<name>.toml` describes.

    Raises:
        ConfigurationError: the file is missing, is no TOML, or an entry has no `from`.
    """
    given = read_toml(folder / f"{name}.toml")
    try:
        tables = {table: _table_map(entry) for table, entry in given["tables"].items()}
        strays = _table_map(given["strays"]) if "strays" in given else None
    except KeyError as missing:
        step = "compare it with the other layout"
        raise ConfigurationError(f"config/legacy/{name}.toml: an entry has no {missing}", next_step=step) from None
    return Layout(name, tables, strays)


def _table_map(entry: Mapping[str, Any]) -> TableMap:
    return TableMap(entry["from"], entry.get("where", "true"), dict(entry.get("columns", {})))
