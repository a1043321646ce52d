"""Phase 1: what the legacy holds, how hard it will be to move, and what to do about it. Nothing is written.

:func:`analyze` answers from about ten aggregated queries under the run's snapshot. The result goes to
``phase1_analysis_results.json`` as :meth:`Analysis.as_dict` gives it:

========================  ==============================================================================================
key                       content
========================  ==============================================================================================
``layout``                layout of the legacy
``snapshot_at``           moment that all figures are of, ISO 8601
``rows``                  source rows of all tables, lines of no market included
``volumes``               list of ``{table, source_table, rows}``: raw table and the legacy table that feeds it
``sources``               list of ``{name, rows, pct, by_market}``, largest first; pct of all lines
``sportsbooks``           the same by sportsbook; ``(none)`` where the legacy names none
``dates``                 list of ``{table, column, first, last}``; null without a value
``quality``               ``{data_quality: {grade: rows}, completeness_score: {bucket: rows}}`` of the lines
``completeness``          list of ``{table, column, rows, missing, missing_pct}``; blank text counts as missing
``lines``                 counts of lines by what is odd about them (:class:`LineFacts`)
``games``                 counts of games, and lines a game (:class:`GameFacts`)
``seasons``, ``statuses`` games by season and by status
``complexity``            ``{score, grade, reasons}``: 0-100; simple, moderate or complex
``estimate``              ``{rows, rows_per_s, seconds, batch_rows, batches}`` of a full run
``recommendations``       list of sentences, each with the setting or command to use
========================  ==============================================================================================

NOTE: :mod:`etl.analyze.doctor` (both servers and the path between them) and :mod:`etl.analyze.premigration` (that, and
the rows of the legacy) are not loaded here: a run does without them.
"""

from etl.analyze.analysis import analyze
from etl.analyze.judge import Limits
from etl.analyze.model import Analysis, GameFacts, LineFacts

__all__ = ["Analysis", "GameFacts", "Limits", "LineFacts", "analyze"]
