"""Phases of a run, by name and number, and the zones that they write."""

from enum import StrEnum

from etl.errors import ConfigurationError


class Phase(StrEnum):
    """The four phases, in their order."""

    ANALYZE = "analyze"
    RAW = "raw"
    STAGING = "staging"
    CURATED = "curated"

    @property
    def number(self) -> int:
        """1 to 4, as the operators count."""
        return list(Phase).index(self) + 1


ZONE_OF = {Phase.RAW: "raw_data", Phase.STAGING: "staging", Phase.CURATED: "curated"}


def parse_phases(text: str) -> tuple[Phase, ...]:
    """The phases that a name, a number, ``all``, or a comma-separated list of them means, in their order.

    Raises:
        ConfigurationError: an unknown phase, or phases with a gap between them.
    """
    if text.strip() == "all":
        return tuple(Phase)
    by_word = {word: phase for phase in Phase for word in (phase.value, str(phase.number))}
    words = [word.strip() for word in text.split(",")]
    unknown = [word for word in words if word not in by_word]
    if unknown:
        raise ConfigurationError(
            f"unknown phase {', '.join(map(repr, unknown))}: expected all, 1..4, or {', '.join(Phase)}",
            next_step="etl run --help",
        )
    chosen = sorted({by_word[word] for word in words}, key=lambda phase: phase.number)
    if chosen[-1].number - chosen[0].number != len(chosen) - 1:
        raise ConfigurationError(
            f"phases {text!r} leave a gap: they must follow each other",
            next_step=f"etl run --phase {','.join(list(Phase)[chosen[0].number - 1 : chosen[-1].number])}",
        )
    return tuple(chosen)
