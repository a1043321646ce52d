"""Gates: thresholds that stop publication. Conservation is no gate: it cannot be skipped."""

from dataclasses import dataclass

from etl.report import Check
from etl.settings import GateSettings

_QUALITY = (
    "select rule, sum(copies) from audit.rejects join audit.sightings using (reject_key) "
    "where run_id = {run} and zone = 'staging' group by 1 order by 2 desc"
)


@dataclass(frozen=True, slots=True)
class GateInput:
    """What the gates judge. Counts of rows; `causes` names the commonest reasons of rejects and reviews."""

    run_id: int
    legacy_rows: int
    raw_loaded: int
    staging_read: int
    staging_collapsed: int
    staging_rejected: int
    staging_validated: int
    games: int
    games_unresolved: int
    causes: str


def raw_gates(given: GateInput, thresholds: GateSettings) -> list[Check]:
    """The gate of the raw zone: share of legacy rows that were loaded."""
    return [_at_least("raw_data", "migrated", given.raw_loaded, given.legacy_rows, thresholds.migrated_min_pct, given)]


def staging_gates(given: GateInput, thresholds: GateSettings) -> list[Check]:
    """The gates of the staging zone: validated, rejected and unresolved teams. Duplicates count for nothing."""
    rows = given.staging_read - given.staging_collapsed
    return [
        _at_least("staging", "validated", given.staging_validated, rows, thresholds.validated_min_pct, given),
        _at_most("staging", "rejected", given.staging_rejected, rows, thresholds.rejected_max_pct, given),
        _at_most(
            "staging",
            "unresolved teams",
            given.games_unresolved,
            given.games,
            thresholds.unresolved_teams_max_pct,
            given,
        ),
    ]


def _at_least(zone: str, name: str, part: int, whole: int, least: float, given: GateInput) -> Check:
    share = 100.0 * part / whole if whole else 100.0
    return _gate(zone, name, share >= least, f">= {least:g} %", f"{share:.2f} % ({part} of {whole})", given)


def _at_most(zone: str, name: str, part: int, whole: int, most: float, given: GateInput) -> Check:
    share = 100.0 * part / whole if whole else 0.0
    return _gate(zone, name, share <= most, f"<= {most:g} %", f"{share:.2f} % ({part} of {whole})", given)


def _gate(zone: str, name: str, passed: bool, expected: str, actual: str, given: GateInput) -> Check:  # noqa: FBT001
    sentence = "" if passed else f"largest causes: {given.causes or 'none known'}; {_QUALITY.format(run=given.run_id)}"
    return Check(zone, f"gate {name}", passed, expected, actual, sentence=sentence)
