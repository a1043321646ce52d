"""Contracts of every table of every zone. `TABLES` is the single source of DDL, casts, dictionary and factories."""

import hashlib

from schemas import audit, curated, features, raw, staging
from schemas._base import AUDIT, LOADS, REGISTRY, ZONES, Column, Reference, Rule, Table

__all__ = ["AUDIT", "LOADS", "TABLES", "ZONES", "Column", "Reference", "Rule", "Table", "contracts_hash", "tables_of"]
__all__ += ["audit", "curated", "features", "raw", "staging"]

TABLES: dict[str, Table] = REGISTRY


def tables_of(zone: str) -> tuple[Table, ...]:
    """The tables of a zone (or of `audit`), parents before the tables that refer to them."""
    return tuple(table for table in TABLES.values() if table.zone == zone)


def contracts_hash() -> str:
    """A short hash of all contracts: two runs with the same hash wrote rows of the same shape and rules."""
    return hashlib.sha256("".join(t.fingerprint() for t in TABLES.values()).encode()).hexdigest()[:16]
