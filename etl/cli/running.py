"""Commands that move data: run, retry, analyze."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from etl.cli.alert import OnFailure, alerted, remember
from etl.cli.backup import backup_options
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
    "Examples: etl run · etl run --phase raw --json · etl run --resume 12 · "
    "ETL_LEGACY_URL=postgresql://… ETL_TARGET_URL=postgresql://… etl run"
)


@alerted
@answered
def run(
    phase: Annotated[
        str | None,
        typer.Option("--phase", help="all, 1..4, or analyze, raw, staging, curated.", show_default="all"),
    ] = None,
    resume: Annotated[
        int | None, typer.Option("--resume", help="Go on with a run that was interrupted, died or failed.")
    ] = None,
    validate: Annotated[bool, typer.Option(help="Check the gates before publishing; conservation always is.")] = True,
    publish: Annotated[bool, typer.Option(help="Switch readers to the result.")] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Do all but write; say what a run would do.")] = False,
    workers: Annotated[int | None, typer.Option("--workers", help="Batches in work at once.")] = None,
    batch_rows: Annotated[int | None, typer.Option("--batch-rows", help="Lines that one batch should hold.")] = None,
    on_failure: OnFailure = None,  # noqa: ARG001 - taken by `alerted`
    as_json: AsJson = False,
    report_dir: ReportDir = None,
    config: Config = None,
    profile: Profile = None,
) -> None:
    """Migrate the legacy through the three zones and publish the result, whole or not at all."""
    phases = parse_phases(phase or "all")
    settings = settings_of(config, profile, run={"workers": workers, "batch_rows": batch_rows})
    place = place_of(settings, report_dir=report_dir)
    if resume is not None:
        _refuse_dry(dry_run=dry_run)
        asked = phases if phase else None
        show_outcome(_resumed(place, resume, asked, validate=validate, publish=publish), place, as_json=as_json)
        return
    ensure_sample(place)
    if phases == (Phase.ANALYZE,):
        _analyze(place, as_json=as_json)
        return
    from etl import runner

    request = run_request(place, phases, validate=validate, publish=publish)
    if dry_run:
        from etl.cli import dry

        dry.dry_run(request, place, as_json=as_json)
        return
    outcome = observed(lambda observer: runner.run(request, observer))
    show_outcome(outcome, place, as_json=as_json)


def _refuse_dry(*, dry_run: bool) -> None:
    if dry_run:
        raise ConfigurationError(
            "--dry-run and --resume do not go together: what is in was written already", next_step="etl run --dry-run"
        )


@alerted
@answered
def retry(
    run_id: Annotated[int, typer.Argument(help="A run of which some batches failed.")],
    workers: Annotated[int | None, typer.Option("--workers", help="Batches in work at once.")] = None,
    on_failure: OnFailure = None,  # noqa: ARG001 - taken by `alerted`
    as_json: AsJson = False,
    report_dir: ReportDir = None,
    config: Config = None,
    profile: Profile = None,
) -> None:
    """Do again what failed of a run, keep what is in and still in the legacy, and publish. Example: etl retry 12"""
    place = place_of(settings_of(config, profile, run={"workers": workers}), report_dir=report_dir)
    show_outcome(_resumed(place, run_id, None, validate=True, publish=True), place, as_json=as_json)


def _resumed(
    place: Place, run_id: int, asked: tuple[Phase, ...] | None, *, validate: bool, publish: bool
) -> "RunOutcome":
    """Go on with a run in its own phases; `asked` are those of the command line, None if it names none."""
    from etl import runner
    from etl.runner.resume import find_run

    stored = find_run(place.target_url, run_id)
    phases = parse_phases(",".join(stored.phases))
    request = run_request(place, asked or phases, validate=validate, publish=publish)
    return observed(lambda observer: runner.resume_run(request, run_id, observer))


@answered
def analyze(
    as_json: AsJson = False, report_dir: ReportDir = None, config: Config = None, profile: Profile = None
) -> None:
    """Phase 1: what the legacy holds, how hard it will be to move, and what to do about it. Writes nothing there."""
    place = place_of(settings_of(config, profile), report_dir=report_dir)
    ensure_sample(place)
    _analyze(place, as_json=as_json)


def publish_options(settings: Any) -> Any:
    """How long a publication may wait and make others wait, and what is kept after it."""
    from etl.load.publish import PublishOptions

    given = settings.run
    return PublishOptions(given.publish_wait_s, given.publish_lock_timeout_ms, given.keep_publications)


def run_request(place: Place, phases: tuple[Phase, ...], *, validate: bool, publish: bool) -> "RunRequest":
    """The request of an invocation, complete: nothing is read from settings later."""
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
        publish_options=publish_options(settings),
        params=params,
        config_hash=params.config_hash,
        retry=runner.RetryPolicy(settings.run.retry_attempts, settings.run.retry_base_s, settings.run.retry_max_s),
        checksums=settings.run.checksums,
        backup=backup_options(place),
    )


def default_workers() -> int:
    """One batch at work for each core, at most four."""
    import os

    return max(1, min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1))


def observed(work: Callable[[Any], "RunOutcome"]) -> "RunOutcome":
    """What `work` returns; its events are told on stderr."""
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


def show_outcome(outcome: "RunOutcome", place: Place, *, as_json: bool) -> None:
    """Print and store how a run ended; leave with its error's exit code, if it has one."""
    from etl.console import print_checks, print_closing_table, print_json
    from etl.report import failed, to_json, write_atomically, write_report

    paths = write_report(outcome.report, place.reports)
    remember(outcome.report, paths[0])
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
    if outcome.report.status == "filled":
        look, switch = f"etl diff {outcome.report.run_id}", f"etl publish {outcome.report.run_id}"
        filled = f"run {outcome.report.run_id} is filled and not published"
        typer.echo(f"{filled}: {look} shows what it would change, {switch} switches readers to it", err=True)


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
