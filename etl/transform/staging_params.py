"""Parameters of the staging transforms. Defaults live in config/quality.toml, one section a class."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from math import isclose
from typing import Any

from etl.errors import ConfigurationError
from etl.transform.sections import section


@dataclass(frozen=True, slots=True)
class ScoreParams:
    """Weights of the score's five parts, thresholds of the statuses, and the ages at which a row is fresh and stale."""

    weight_completeness: float
    weight_validity: float
    weight_consistency: float
    weight_timeliness: float
    weight_uniqueness: float
    validated_min: float
    needs_review_min: float
    fresh_h: float
    stale_h: float


@dataclass(frozen=True, slots=True)
class BoundParams:
    """Bounds of the rules about prices and lines."""

    run_line_max_runs: float
    total_min_runs: float
    total_max_runs: float
    line_grid_runs: float
    booksum_min: float
    booksum_max: float
    booksum_usual_min: float
    booksum_usual_max: float
    price_usual_max: int
    usual_run_line_runs: float
    consensus_max_pp: float
    consensus_min_books: int
    devig_method: str


@dataclass(frozen=True, slots=True)
class SplitBounds:
    """Bounds of the rule about splits, in percentage points."""

    sum_tolerance_pp: float


@dataclass(frozen=True, slots=True)
class GameParams:
    """How rows become games. `official_ties` are (local date, home team_id, away team_id)."""

    merge_window_min: float
    result_after_h: float
    coverage_min_books: int
    statuses: tuple[tuple[str, str], ...]
    official_ties: tuple[tuple[date, int, int], ...]


@dataclass(frozen=True, slots=True)
class StagingParams:
    """All that the staging zone depends on, besides the catalogues of clubs and books."""

    score: ScoreParams
    bounds: BoundParams
    splits: SplitBounds
    games: GameParams


def staging_params(config: Mapping[str, Any]) -> StagingParams:
    """The parameters that the parsed `config/quality.toml` describes.

    Raises:
        ConfigurationError: a key is missing or unknown, or the weights do not add up to 1.
    """
    games = dict(config["games"])
    ties = games.pop("official_ties", ())
    games["official_ties"] = tuple((tie["date"], tie["home_team_id"], tie["away_team_id"]) for tie in ties)
    games["statuses"] = tuple(games.get("statuses", {}).items())
    score = section(ScoreParams, config["score"], place="quality.toml [score]")
    total = sum(getattr(score, field.name) for field in fields(ScoreParams) if field.name.startswith("weight_"))
    if not isclose(total, 1.0, abs_tol=1e-9):
        raise ConfigurationError(f"config/quality.toml [score]: the weights add up to {total:g}", next_step="make it 1")
    return StagingParams(
        score=score,
        bounds=section(BoundParams, config["bounds"], place="quality.toml [bounds]"),
        splits=section(SplitBounds, config["splits"], place="quality.toml [splits]"),
        games=section(GameParams, games, place="quality.toml [games]"),
    )
