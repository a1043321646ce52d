"""Parameters of the curated transforms. Defaults live in config/features.toml, one section a class."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConsensusParams:
    """What counts as an eligible quote, and how the market is summed up. Features definition, sections 2 and 4."""

    min_books: int
    max_quote_age_h: float
    polled_sources: tuple[str, ...]
    polled_max_quote_age_min: float
    change_only_sources: tuple[str, ...]
    best_price_window_min: float
    backfill_h: float
    admit_backfilled: bool
    typical_hold: float
    typical_dispersion_pp: float


@dataclass(frozen=True, slots=True)
class MovementParams:
    """Sizes of moves. Features definition, section 3. `significance_*`: the upper bounds of the first three classes."""

    velocity_window_min: float
    min_step_pp: float
    significance_pp: tuple[float, float, float]
    significance_runs: tuple[float, float, float]
    key_totals: tuple[float, ...]
    density_per_run_low: float
    density_per_run_high: float
    density_high_from_runs: float
    move_density_per_run: float


@dataclass(frozen=True, slots=True)
class FormParams:
    """Form, rest and head to head. Features definition, section 5."""

    min_games: int
    ewm_decay: float
    rest_cap_days: int
    h2h_years: int
    h2h_min_games: int
    h2h_prior_wins: float
    h2h_prior_games: float


@dataclass(frozen=True, slots=True)
class SettleParams:
    """Closing quotes and house rules. Features definition, sections 3 and 6."""

    close_window_min: float
    decided_totals_stand: bool


@dataclass(frozen=True, slots=True)
class SplitParams:
    """Public splits in feature vectors. Features definition, section 3."""

    min_tickets: int


@dataclass(frozen=True, slots=True)
class CuratedParams:
    """All that the curated zone depends on. `horizons_min` are minutes before the start, the main one first."""

    feature_set_version: str
    devig_method: str
    config_hash: str
    horizons_min: tuple[int, ...]
    consensus: ConsensusParams
    movement: MovementParams
    form: FormParams
    settle: SettleParams
    splits: SplitParams
