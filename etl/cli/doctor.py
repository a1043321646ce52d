"""etl doctor: is everything sound that a run depends on?"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from etl.cli.door import AsJson, Config, Place, Profile, answered, fail, place_of, settings_of
from etl.cli.running import default_workers
from etl.errors import EtlError

if TYPE_CHECKING:
    from etl.analyze.doctor import DoctorRequest


@answered
def doctor(
    workers: Annotated[int | None, typer.Option("--workers", help="Batches in work at once, as for etl run.")] = None,
    batch_rows: Annotated[int | None, typer.Option("--batch-rows", help="Lines that one batch should hold.")] = None,
    as_json: AsJson = False,
    config: Config = None,
    profile: Profile = None,
) -> None:
    """Is all sound that a run depends on? Both servers, this machine, and the path with the edge values of every type.

    Writes nothing but temporary tables. Exit code 0: sound; 3: a database cannot be reached, or permission or sessions
    are missing; 2: a server or setting is not fit; 4: values do not arrive as they are. Example: etl doctor --json
    """
    from etl.analyze.doctor import diagnose, exit_code
    from etl.console import print_checks, print_json
    from etl.report import failed

    place = place_of(settings_of(config, profile, run={"workers": workers, "batch_rows": batch_rows}))
    checks = diagnose(doctor_request(place))
    wrong = failed(checks)
    if as_json:
        print_json({"sound": not wrong, "checks": plain(checks)})
    else:
        print_checks(checks, every=True)
    if wrong:
        error = EtlError(f"{len(wrong)} of {len(checks)} checks failed", next_step=wrong[0].sentence)
        error.exit_code = exit_code(checks)
        fail(error)


def doctor_request(place: Place) -> "DoctorRequest":
    """What is examined for the settings of this invocation."""
    from etl import runner
    from etl.analyze.doctor import DoctorRequest

    settings = place.settings
    return DoctorRequest(
        legacy_url=place.legacy_url,
        target_url=place.target_url,
        layout=runner.load_layout(settings.legacy.layout),
        refuse_unmapped=settings.legacy.unmapped == "refuse",
        workers=settings.run.workers or default_workers(),
        batch_rows=settings.run.batch_rows,
        home=place.home,
        makes_sample=settings.is_embedded,
    )


def plain(checks: list[Any]) -> list[dict[str, Any]]:
    """Checks as data, keys in their documented order."""
    from dataclasses import asdict

    return [asdict(check) for check in checks]
