"""One run: read, transform, check, load, prove, publish."""

from etl.runner.context import RunRequest
from etl.runner.params import Params, load_layout, load_params
from etl.runner.retry import RetryPolicy
from etl.runner.run import RunOutcome, resume_run, run

__all__ = ["Params", "RetryPolicy", "RunOutcome", "RunRequest", "load_layout", "load_params", "resume_run", "run"]
