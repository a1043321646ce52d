"""Commands on rows that were refused: list, show, export, replay."""

from pathlib import Path
from typing import Annotated, Any

import typer

from etl.cli.ask import Yes, confirm
from etl.cli.door import AsJson, Config, Profile, ReportDir, answered, place_of, settings_of

rejects = typer.Typer(
    no_args_is_help=True,
    help="Rows that broke a rule, kept whole: count them, look at one, take them out, put them back.",
)
Run = Annotated[int | None, typer.Option("--run", help="Those that this run met; default: the published runs.")]
RuleName = Annotated[str | None, typer.Option("--rule", help="Those that broke this rule, whatever else they broke.")]
Zone = Annotated[str | None, typer.Option("--zone", help="Those of raw_data, staging or curated.")]
TableName = Annotated[str | None, typer.Option("--table", help="Those of this table: totals, or staging.totals.")]


def _selection(run: int | None, rule: str | None, zone: str | None = None, table: str | None = None) -> Any:
    from etl.runner.rejects import Selection

    return Selection(run_id=run, rule=rule, zone=zone, table=table)


@rejects.command(name="list")
@answered
def list_(
    run: Run = None,
    rule: RuleName = None,
    zone: Zone = None,
    table: TableName = None,
    as_json: AsJson = False,
    config: Config = None,
    profile: Profile = None,
) -> None:
    """Count them by zone, table and rule. Example: etl rejects list --zone staging --rule line_invalid"""
    from etl.console import print_json
    from etl.console.rejects import print_counts
    from etl.runner.rejects import count_rejects

    place = place_of(settings_of(config, profile), start=False)
    found = count_rejects(place.target_url, _selection(run, rule, zone, table))
    if as_json:
        print_json(found)
    else:
        print_counts(found)


@rejects.command()
@answered
def show(
    name: Annotated[str, typer.Argument(help="A key or its beginning, or TABLE:ID with the id in the source.")],
    as_json: AsJson = False,
    config: Config = None,
    profile: Profile = None,
) -> None:
    """Show one whole: its row, where it came from, its rules, its runs. Example: etl rejects show totals:1209"""
    from etl.console import print_json
    from etl.console.rejects import print_rejects
    from etl.runner.rejects import find_rejects

    place = place_of(settings_of(config, profile), start=False)
    found = find_rejects(place.target_url, name)
    if as_json:
        print_json(found)
    else:
        print_rejects(found)


@rejects.command()
@answered
def export(
    file: Annotated[Path, typer.Argument(help="A name that ends in .parquet, .csv or .json.")],
    run: Run = None,
    rule: RuleName = None,
    zone: Zone = None,
    table: TableName = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    config: Config = None,
    profile: Profile = None,
) -> None:
    """Write them to a file, whole. Example: etl rejects export rejects.parquet --run 12"""
    from etl.runner.rejects import export_rejects

    place = place_of(settings_of(config, profile), start=False)
    count = export_rejects(place.target_url, _selection(run, rule, zone, table), file, force=force)
    typer.echo(f"{count} rejects: {file}", err=True)


@rejects.command()
@answered
def replay(
    rule: RuleName = None,
    run: Run = None,
    validate: Annotated[bool, typer.Option(help="Check the gates before publishing; conservation always is.")] = True,
    publish: Annotated[bool, typer.Option(help="Switch readers to the result.")] = True,
    yes: Yes = False,
    as_json: AsJson = False,
    report_dir: ReportDir = None,
    config: Config = None,
    profile: Profile = None,
) -> None:
    """Put rows back after a rule, alias or bound was corrected. Example: etl rejects replay --rule line_invalid

    A new run does the affected games again, carries all others on as they are, accounts for every row that was put
    back, and is published like any run. Nothing is read from the legacy.
    """
    from etl.cli.running import observed, run_request, show_outcome
    from etl.console.rejects import print_replay
    from etl.phases import Phase
    from etl.runner.rejects import count_rejects
    from etl.runner.replay import replay as put_back

    place = place_of(settings_of(config, profile), report_dir=report_dir)
    selection = _selection(run, rule)
    found = count_rejects(place.target_url, selection)
    rows = sum(entry["rows"] for entry in found)
    kinds = ", ".join(f"{entry['table']} {entry['rule']} ({entry['rows']})" for entry in found[:3])
    more = f" and {len(found) - 3} kinds more" if len(found) > 3 else ""  # noqa: PLR2004 - as many as are named
    confirm(f"put {rows} rows back: {kinds}{more}?", yes=yes or not rows)
    request = run_request(place, (Phase.STAGING, Phase.CURATED), validate=validate, publish=publish)
    outcome = observed(lambda observer: put_back(request, selection, observer))
    if not as_json:
        print_replay(outcome.report.details)
    show_outcome(outcome, place, as_json=as_json)
