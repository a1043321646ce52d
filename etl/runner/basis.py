"""What the rows of a run depend on besides what it read: every parameter by name, and a hash of code and contracts.

It is kept with the run, so that a later one can tell which rows a change of settings may have touched.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

import schemas
from etl import database
from etl.database import Connection, literal
from etl.runner.params import Params

CODE, TEAMS, BOOKS = "code", "config/teams.toml", "config/sportsbooks.toml"
_STAMP = "curated.config_hash"  # carried by rows, and stands for what is listed here one by one
_ETL, _SCHEMAS = Path(__file__).parents[1], Path(schemas.__file__).parent
_WORKS_ON_ROWS = (
    *((_ETL, name) for name in ("transform/*.py", "check/contract.py")),
    *((_ETL, f"runner/{name}.py") for name in ("context", "params", "reference", "steps")),
    *((_SCHEMAS, f"{name}.py") for name in ("_base", "raw", "staging", "curated", "features")),
)


def basis_of(params: Params) -> dict[str, Any]:
    """Name -> value of all that rows depend on; catalogues, code and contracts by a hash. Plain JSON values."""
    named = {
        CODE: code_hash(),
        TEAMS: _hash(params.teams),
        BOOKS: _hash(params.books),
        **dict(_flat("staging", asdict(params.staging))),
        **dict(_flat("curated", asdict(params.curated))),
    }
    del named[_STAMP]
    plain: dict[str, Any] = json.loads(json.dumps(named, default=str))
    return plain


def changed(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> list[str]:
    """Names whose value is not the same in both, in order; every name where nothing was noted before."""
    known = before or {}
    return [name for name in sorted({*known, *after}) if known.get(name) != after.get(name)]


def enter_basis(connection: Connection, run_id: int, params: Params) -> None:
    """Keep the basis of a run with its row in the ledger."""
    text = json.dumps(basis_of(params))
    database.execute(connection, f"update audit.runs set basis = {literal(text)}::jsonb where run_id = {run_id}")


def entered_basis(connection: Connection, run_id: int) -> dict[str, Any] | None:
    """The basis of a run, or None where it was not noted."""
    found = database.scalar(connection, f"select basis::text from audit.runs where run_id = {run_id}")
    return None if found is None else dict(json.loads(found))


@cache
def code_hash() -> str:
    """A hash of what rows go through, modules and Polars: any edit changes it, whatever the package's version says."""
    paths = [path for folder, pattern in _WORKS_ON_ROWS for path in sorted(folder.glob(pattern))]
    digest = hashlib.sha256(pl.__version__.encode())
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _hash(catalogue: object) -> str:
    # NOTE: the text of a frozenset depends on the process, so sets are put in order first.
    return hashlib.sha256(repr(_ordered(catalogue)).encode()).hexdigest()[:16]


def _ordered(value: Any) -> Any:
    match value:
        case frozenset() | set():
            return sorted(map(_ordered, value), key=repr)
        case tuple() | list():
            return [_ordered(item) for item in value]
    fields = getattr(value, "__dataclass_fields__", None)
    return value if fields is None else [(name, _ordered(getattr(value, name))) for name in fields]


def _flat(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(f"{prefix}.{name}", value)
        else:
            yield f"{prefix}.{name}", value
