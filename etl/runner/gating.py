"""The gates of a run, judged from its tallies and a few counts, wherever these come from."""

from collections.abc import Mapping, Sequence

from etl.check import gates
from etl.report import Check
from etl.runner.context import RunRequest, Tally
from schemas import tables_of

LINE_NAMES = ("moneylines", "spreads", "totals")


def judged(request: RunRequest, given: gates.GateInput) -> list[Check]:
    """The gates of the zones that the request writes."""
    checks: list[Check] = []
    if "raw_data" in request.zones:
        checks += gates.raw_gates(given, request.gates)
    if "staging" in request.zones:
        checks += gates.staging_gates(given, request.gates)
    return checks


def gate_input(
    run_id: int, tallies: Mapping[str, Tally], *, strays: int, games_unresolved: int, causes: str
) -> gates.GateInput:
    """What the gates judge.

    Args:
        run_id: the run.
        tallies: by ``zone.table``.
        strays: legacy lines of no market.
        games_unresolved: staged games with a team that no alias names.
        causes: the commonest reasons of rejects, in words.
    """

    def total(zone: str, what: str, names: Sequence[str]) -> int:
        return sum(int(getattr(tallies[f"{zone}.{n}"], what)) for n in names if f"{zone}.{n}" in tallies)

    raw_names = [table.name for table in tables_of("raw_data") if table.one_to_one]
    return gates.GateInput(
        run_id=run_id,
        legacy_rows=total("raw_data", "read", raw_names) + strays,
        raw_loaded=total("raw_data", "loaded", raw_names),
        staging_read=total("staging", "read", LINE_NAMES),
        staging_collapsed=total("staging", "collapsed", LINE_NAMES),
        staging_rejected=total("staging", "rejected", LINE_NAMES),
        staging_validated=total("staging", "validated", LINE_NAMES),
        games=total("staging", "loaded", ("games",)),
        games_unresolved=games_unresolved,
        causes=causes,
    )
