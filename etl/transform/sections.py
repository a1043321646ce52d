"""Sections of the parameter files, each a dataclass: complete, known and of the declared types, or an error."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

import pydantic

from etl.errors import ConfigurationError

Section = TypeVar("Section")


def section(kind: type[Section], given: Mapping[str, Any], *, place: str) -> Section:
    """The dataclass with its values checked and brought to their declared types (a TOML array to a tuple).

    Args:
        kind: a dataclass; its fields are the keys.
        given: the parsed section.
        place: the file and the section, as messages name them: ``quality.toml [score]``.

    Raises:
        ConfigurationError: keys are missing or unknown, or values are wrong; all of them are named.
    """
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]  # every section is a dataclass
    wrong = [f"{key} is missing" for key in sorted(known - set(given))]
    wrong += [f"{key} is unknown" for key in sorted(set(given) - known)]
    if wrong:
        raise ConfigurationError(
            f"config/{place}: {', '.join(wrong)}", next_step=f"its keys are {', '.join(sorted(known))}"
        )
    try:
        return pydantic.TypeAdapter(kind).validate_python(dict(given))
    except pydantic.ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigurationError(f"config/{place}: {told}", next_step="mend the file") from None
