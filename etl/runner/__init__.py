"""One run: read, transform, check, load, prove, publish."""

from etl.runner.context import RunRequest
from etl.runner.params import Params, load_layout, load_params
from etl.runner.run import RunOutcome, run

__all__ = ["Params", "RunOutcome", "RunRequest", "load_layout", "load_params", "run"]
