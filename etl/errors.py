"""Errors typed by what to do next. Each has a documented exit code and names the next step."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of every command (docs: README)."""

    DONE = 0
    FAULT = 1
    USAGE = 2
    UNREACHABLE = 3
    REFUSED = 4
    BATCHES = 5
    LOCKED = 6
    UNPUBLISHED = 7
    INTERRUPTED = 130


class EtlError(Exception):
    """Root of all errors that a user can act on: what happened, and the next thing to do."""

    exit_code = Exit.FAULT
    is_transient = False  # whether the same work may well succeed a little later

    def __init__(self, message: str, *, next_step: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step


class ConfigurationError(EtlError):
    """A setting, option or file is wrong; nothing was touched."""

    exit_code = Exit.USAGE


class ForeignObject(EtlError):
    """A table stands where ours should be, and is not ours. It was left alone."""

    exit_code = Exit.USAGE


class ResumeRefused(EtlError):
    """A run cannot be gone on with as it is asked for; the message names every difference. Nothing was touched."""

    exit_code = Exit.USAGE


class LegacyMismatch(EtlError):
    """The legacy lacks a table or column that the chosen layout needs."""

    exit_code = Exit.USAGE


class DatabaseUnreachable(EtlError):
    """No session could be had, or one was lost: server, database, password or network.

    `is_transient`: the server itself was in the way (restart, network, too many sessions), not the DSN.
    """

    exit_code = Exit.UNREACHABLE

    def __init__(self, message: str, *, is_transient: bool = True, next_step: str = "") -> None:
        super().__init__(message, next_step=next_step)
        self.is_transient = is_transient


class DatabaseBusy(DatabaseUnreachable):
    """A server answered but has no session to give now: it starts, stops, or all its connections are taken."""


class SnapshotLost(DatabaseUnreachable):
    """The session that held the snapshot of a run's source is gone: what is in must be verified under a new one."""


class PermissionMissing(EtlError):
    """The session's role may not do what the run needs."""

    exit_code = Exit.UNREACHABLE


class ContractBroken(EtlError):
    """A frame is not of its contract's shape: a fault of the code, found before anything was written."""

    exit_code = Exit.REFUSED


class NotConserved(EtlError):
    """Rows are missing or doubled; the run does not publish."""

    exit_code = Exit.REFUSED


class GateFailed(EtlError):
    """A threshold stops publication."""

    exit_code = Exit.REFUSED


class BatchesFailed(EtlError):
    """Some batches failed; the others are in and the run can be finished."""

    exit_code = Exit.BATCHES


class LockHeld(EtlError):
    """Another run works on the target."""

    exit_code = Exit.LOCKED


class ReadersInTheWay(EtlError):
    """The loads are filled, but readers kept the switch from happening in time."""

    exit_code = Exit.UNPUBLISHED


class BackupFailed(EtlError):
    """A backup could not be taken or put back. What was there before is there still."""


class Interrupted(EtlError):
    """The user or the system stopped the run between two commits."""

    exit_code = Exit.INTERRUPTED


class DatabaseFault(EtlError):
    """The database refused a statement for a reason that has no class of its own. `sqlstate` says which.

    `is_transient`: a deadlock, a failed serialization or the like, which the same statement may well not meet again.
    """

    def __init__(self, message: str, *, sqlstate: str = "", is_transient: bool = False, next_step: str = "") -> None:
        super().__init__(message, next_step=next_step)
        self.sqlstate = sqlstate
        self.is_transient = is_transient
