"""The parameters of the transforms: configuration files, read and checked once at the door."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pydantic

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
from etl.transform.staging_params import StagingParams, staging_params
from etl.transform.teams import TeamCatalogue, team_catalogue

Section = TypeVar("Section")
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
    """The parameters that the parsed `config/features.toml` describes; `stamp` is the hash that rows carry."""
    head = given.get("features", {})
    made = {
        "consensus": _section(ConsensusParams, given, "consensus"),
        "movement": _section(MovementParams, given, "movement"),
        "form": _section(FormParams, given, "form"),
        "settle": _section(SettleParams, given, "settle"),
        "splits": _section(SplitParams, given, "splits"),
    }
    return _built(CuratedParams, {**head, **made, "config_hash": stamp}, "features")


def _section(kind: type[Section], given: Mapping[str, Any], name: str) -> Section:
    return _built(kind, given.get(name, {}), name)


def _built(kind: type[Section], values: Mapping[str, Any], name: str) -> Section:
    """The dataclass with its values checked and brought to their declared types (a TOML array to a tuple)."""
    known = getattr(kind, "__dataclass_fields__", {})
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ConfigurationError(
            f"config/features.toml [{name}]: {', '.join(unknown)} is unknown",
            next_step=f"its keys are {', '.join(known)}",
        )
    try:
        return pydantic.TypeAdapter(kind).validate_python(dict(values))
    except pydantic.ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigurationError(f"config/features.toml [{name}]: {wrong}", next_step="mend the file") from None


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
