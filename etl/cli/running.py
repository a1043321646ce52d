"""Commands that move data: run, analyze, publish, rollback."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from etl.cli.door import (
    AsJson,
    Config,
    Place,
    Profile,
    ReportDir,
    answered,
    ensure_sample,
    fail,
    place_of,
    settings_of,
)
from etl.errors import ConfigurationError
from etl.phases import Phase, parse_phases

if TYPE_CHECKING:
    from etl.runner import RunOutcome, RunRequest

LEVELS = ("info", "warning", "error")
EXAMPLES = (
    "Examples: etl run · etl run --phase raw --json · "
    "ETL_LEGACY_URL=postgresql://… ETL_TARGET_URL=postgresql://… etl run"
)


@answered
def run(
    phase: Annotated[str, typer.Option("--phase", help="all, 1..4, or analyze, raw, staging, curated.")] = "all",
    validate: Annotated[bool, typer.Option(help="Check the gates before publishing; conservation always is.")] = True,
    publish: Annotated[bool, typer.Option(help="Switch readers to the result.")] = True,
    workers: Annotated[int | None, typer.Option("--workers", help="Batches in work at once.")] = None,
    batch_rows: Annotated[int | None, typer.Option("--batch-rows", help="Lines that one batch should hold.")] = None,
    as_json: AsJson = False,
    report_dir: ReportDir = None,
    config: Config = None,
    profile: Profile = None,
) -> None:
    """Migrate the legacy through the three zones and publish the result, whole or not at all."""
    phases = parse_phases(phase)
    settings = settings_of(config, profile, run={"workers": workers, "batch_rows": batch_rows})
    place = place_of(settings, report_dir=report_dir)
    ensure_sample(place)
    if phases == (Phase.ANALYZE,):
        _analyze(place, as_json=as_json)
        return
    from etl import runner

    request = _request(place, phases, validate=validate, publish=publish)
    outcome = _observed(lambda observer: runner.run(request, observer))
    _show(outcome, place, as_json=as_json)


@answered
def analyze(
    as_json: AsJson = False, report_dir: ReportDir = None, config: Config = None, profile: Profile = None
) -> None:
    """Phase 1: what the legacy holds, how hard it will be to move, and what to do about it. Writes nothing there."""
    place = place_of(settings_of(config, profile), report_dir=report_dir)
    ensure_sample(place)
    _analyze(place, as_json=as_json)


@answered
def publish(
    run_id: Annotated[int, typer.Argument(help="A run that is filled but not published.")],
    config: Config = None,
    profile: Profile = None,
) -> None:
    """Switch readers to a run that was filled and proved but not published. Example: etl publish 12"""
    from etl.runner.switch import publish_filled

    place = place_of(settings_of(config, profile), start=False)
    seconds = publish_filled(place.target_url, run_id, options=_publish_options(place.settings))
    typer.echo(f"run {run_id} is published; readers were held up for {1000 * seconds:.0f} ms", err=True)


@answered
def rollback(
    to: Annotated[int | None, typer.Option("--to", help="Run whose publication is reinstated.")] = None,
    config: Config = None,
    profile: Profile = None,
) -> None:
    """Switch readers back to the publication before, or to that of a given run. Example: etl rollback --to 11"""
    from etl.runner.switch import roll_back

    place = place_of(settings_of(config, profile), start=False)
    run_id, seconds = roll_back(place.target_url, to, options=_publish_options(place.settings))
    typer.echo(f"readers see run {run_id} again; they were held up for {1000 * seconds:.0f} ms", err=True)


def _publish_options(settings: Any) -> Any:
    from etl.load.publish import PublishOptions

    given = settings.run
    return PublishOptions(given.publish_wait_s, given.publish_lock_timeout_ms, given.keep_publications)


def _request(place: Place, phases: tuple[Phase, ...], *, validate: bool, publish: bool) -> "RunRequest":
    from etl import runner

    settings, params = place.settings, runner.load_params()
    return runner.RunRequest(
        phases=phases,
        legacy_url=place.legacy_url,
        target_url=place.target_url,
        layout=runner.load_layout(settings.legacy.layout),
        refuse_unmapped=settings.legacy.unmapped == "refuse",
        batch_rows=settings.run.batch_rows,
        rows_per_s=settings.analysis.rows_per_s,
        workers=settings.run.workers or default_workers(),
        validate=validate,
        gates=settings.gates,
        publish=publish,
        publish_options=_publish_options(settings),
        params=params,
        config_hash=params.config_hash,
    )


def default_workers() -> int:
    """One batch at work for each core, at most four."""
    import os

    return max(1, min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1))


def _observed(work: Callable[[Any], "RunOutcome"]) -> "RunOutcome":
    import sys

    from etl.console import ConsoleObserver

    with ConsoleObserver(sys.stderr, level=log_level()) as observer:
        return work(observer)


def log_level() -> str:
    """The least level of notices that are shown: LOG_LEVEL, or info.

    Raises:
        ConfigurationError: LOG_LEVEL is none of info, warning, error.
    """
    from etl.settings import environment

    level = environment("LOG_LEVEL").lower().replace("debug", "info") or "info"
    if level not in LEVELS:
        raise ConfigurationError(
            f"LOG_LEVEL is {level!r}: expected one of debug, {', '.join(LEVELS)}", next_step="set LOG_LEVEL"
        )
    return level


def _show(outcome: "RunOutcome", place: Place, *, as_json: bool) -> None:
    from etl.console import print_checks, print_closing_table, print_json
    from etl.report import failed, to_json, write_atomically, write_report

    paths = write_report(outcome.report, place.reports)
    if outcome.analysis is not None:
        write_atomically(place.reports / "phase1_analysis_results.json", to_json(outcome.analysis.as_dict()))
    if as_json:
        print_json(outcome.report.as_dict())
    else:
        print_closing_table(outcome.report)
        if failed(outcome.report.checks):
            print_checks(outcome.report.checks)
    typer.echo(f"report: {paths[0]}", err=True)
    if outcome.error is not None:
        fail(outcome.error)


def _analyze(place: Place, *, as_json: bool) -> None:
    from etl import runner
    from etl.analyze import analyze as analysed
    from etl.console import print_analysis, print_json
    from etl.extract.legacy import open_legacy
    from etl.extract.snapshot import open_snapshot
    from etl.report import to_json, write_atomically

    settings = place.settings
    layout = runner.load_layout(settings.legacy.layout)
    with open_snapshot(place.legacy_url) as snapshot:
        source = open_legacy(snapshot, layout, refuse_unmapped=settings.legacy.unmapped == "refuse")
        found = analysed(source, rows_per_s=settings.analysis.rows_per_s, batch_rows=settings.run.batch_rows)
    path: Path = place.reports / "phase1_analysis_results.json"
    write_atomically(path, to_json(found.as_dict()))
    if as_json:
        print_json(found.as_dict())
    else:
        print_analysis(found)
    typer.echo(f"analysis: {path}", err=True)
