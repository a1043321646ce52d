"""Commands that look: status, validate."""

from typing import Annotated, Any

import typer

from etl.cli.doctor import doctor_request, plain
from etl.cli.door import AsJson, Config, Place, Profile, ReportDir, answered, ensure_sample, fail, place_of, settings_of
from etl.errors import ConfigurationError, NotConserved

ZONE_OF_STAGE = {"raw-zone": "raw_data", "staging-zone": "staging", "curated-zone": "curated"}
STAGES = ("pre-migration", *ZONE_OF_STAGE, "all")
DEEP_STAGES = ("all", "raw-zone")


@answered
def status(as_json: AsJson = False, config: Config = None, profile: Profile = None) -> None:
    """What readers see, and the last runs. Example: etl status --json"""
    from etl.console import print_json, print_status
    from etl.runner.look import look

    place = place_of(settings_of(config, profile), start=False)
    facts, runs = look(place.target_url)
    if as_json:
        print_json({"facts": facts, "runs": runs})
    else:
        print_status(facts, runs)


@answered
def validate(
    stage: Annotated[str, typer.Argument(help=f"One of: {', '.join(STAGES)}.")] = "all",
    deep: Annotated[
        bool, typer.Option("--deep", help="Also compare raw_data with the legacy as it is now, value by value.")
    ] = False,
    as_json: AsJson = False,
    report_dir: ReportDir = None,
    config: Config = None,
    profile: Profile = None,
) -> None:
    """Check what readers see: counts, keys, references, conservation, quality. Example: etl validate all --deep"""
    from etl.console import print_checks, print_json
    from etl.report import failed

    if stage not in STAGES:
        raise ConfigurationError(
            f"unknown stage {stage!r}: expected one of {', '.join(STAGES)}", next_step="etl validate --help"
        )
    if deep and stage not in DEEP_STAGES:
        raise ConfigurationError(
            f"--deep compares raw_data with the legacy; {stage} has nothing to do with either",
            next_step=f"etl validate {DEEP_STAGES[0]} --deep",
        )
    place = place_of(settings_of(config, profile), report_dir=report_dir)
    checks = _checks(place, stage) + (_against_legacy(place) if deep else [])
    if as_json:
        print_json({"stage": stage, "checks": plain(checks)})
    else:
        print_checks(checks, every=True)
    _store(place, stage, checks)
    wrong = failed(checks)
    if wrong:
        fail(NotConserved(f"{len(wrong)} of {len(checks)} checks failed", next_step=wrong[0].sentence))


def _checks(place: Place, stage: str) -> list[Any]:
    from etl.analyze.premigration import pre_migration
    from etl.runner.look import check_published

    found: list[Any] = []
    if stage in ("pre-migration", "all"):
        ensure_sample(place)
        found += pre_migration(doctor_request(place))
    zones = tuple(zone for name, zone in ZONE_OF_STAGE.items() if stage in (name, "all"))
    return [*found, *(check_published(place.target_url, zones) if zones else [])]


def _against_legacy(place: Place) -> list[Any]:
    from etl.runner import load_layout
    from etl.runner.look import check_legacy

    return check_legacy(place.legacy_url, load_layout(place.settings.legacy.layout), place.target_url)


def _store(place: Place, stage: str, checks: list[Any]) -> None:
    from etl.report import now, to_json, write_atomically

    when = now().strftime("%Y%m%dT%H%M%SZ")
    path = place.reports / f"validation_results_{stage}_{when}.json"
    write_atomically(path, to_json({"stage": stage, "checked_at": when, "checks": plain(checks)}))
    typer.echo(f"validation: {path}", err=True)
