"""What a run is made of, and in what a later invocation that would go on with it differs."""

import hashlib
import os
import socket
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import schemas
from etl.errors import ResumeRefused
from etl.load.ledger import RunFacts
from etl.load.standing import StoredRun
from etl.runner.basis import basis_of, changed
from etl.runner.context import RunRequest
from etl.settings import CONFIG_DIR
from schemas import contracts_hash

_SOURCES = (Path(__file__).parents[1], Path(schemas.__file__).parent)


@cache
def code_version() -> str:
    """Version of the package and a hash of its sources and layouts: edited code is other code, however it is called."""
    digest = hashlib.sha256()
    modules = [path for folder in _SOURCES for path in sorted(folder.rglob("*.py"))]
    for path in [*modules, *sorted((CONFIG_DIR / "legacy").glob("*.toml"))]:
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return f"{version('etl')}+{digest.hexdigest()[:12]}"


def facts_of(request: RunRequest) -> RunFacts:
    """The facts of a run that this process does."""
    host, pid = holder()
    return RunFacts(
        phases=tuple(request.phases),
        layout=request.layout.name,
        code_version=code_version(),
        contracts_hash=contracts_hash(),
        config_hash=request.config_hash,
        host=host,
        pid=pid,
    )


def holder() -> tuple[str, int]:
    """(host, pid) of this process."""
    return socket.gethostname(), os.getpid()


def require_same(stored: StoredRun, request: RunRequest, basis: Mapping[str, Any] | None) -> None:
    """A request is for the very run that is stored, down to the code.

    Args:
        stored: the run.
        request: what would go on with it.
        basis: the parameters that the run began with, by name; None where they were not noted.

    Raises:
        ResumeRefused: it is not; every difference is named.
    """
    wrong = _differences(stored, facts_of(request), changed(basis, basis_of(request.params)) if basis else [])
    if wrong:
        raise ResumeRefused(
            f"run {stored.run_id} cannot be gone on with: {'; '.join(wrong)}; its rows and new ones would not be alike",
            next_step="go back to what it was begun with, or begin anew: etl run",
        )


def _differences(stored: StoredRun, today: RunFacts, parameters: Sequence[str]) -> list[str]:
    pairs = {
        "phases": (",".join(stored.phases), ",".join(today.phases)),
        "layout": (stored.layout, today.layout),
        "code": (stored.code_version, today.code_version),
        "contracts": (stored.contracts_hash, today.contracts_hash),
        "configuration": (stored.config_hash, today.config_hash),
    }
    found = [f"{name} {then} then, {now} now" for name, (then, now) in pairs.items() if then != now]
    named = [name for name in parameters if name not in ("code", "contracts")]
    return [*found, f"changed settings: {', '.join(named)}"] if named else found
