"""One transaction in psql that is fed a script piece by piece, and committed only when all of it has gone well."""

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from etl.errors import BackupFailed
from etl.passwords import child_environment, without_password

_DONE = "etl: so far so good"
_PIECE_BYTES = 1 << 16


class Transaction:
    """An open transaction. The first statement that fails ends it, and nothing of it remains."""

    def __init__(self, process: "subprocess.Popen[bytes]", said: IO[bytes]) -> None:
        self._process = process
        self._stdin, self._stdout = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
        self._said = said

    def feed(self, script: bytes) -> None:
        """Hand over a piece of a script; it need not end with a statement.

        Raises:
            BackupFailed: the server refused an earlier piece.
        """
        try:
            self._stdin.write(script)
        except BrokenPipeError:
            raise self._failure() from None

    def copy_from(self, stream: IO[bytes], *, leave_out: Sequence[bytes]) -> None:
        """Hand over a script, without the lines `leave_out` of its head."""
        head = stream.read(_PIECE_BYTES)
        for line in leave_out:
            head = head.replace(b"\n" + line + b"\n", b"\n", 1)
        while head:
            self.feed(head)
            head = stream.read(_PIECE_BYTES)

    def ask(self, sql: str) -> list[str]:
        """The first column of a query's rows, as text; all that was fed has been done by then.

        Raises:
            BackupFailed: the server refused something.
        """
        # NOTE: an answer ends with a marker and not with a meta-command: scripts of pg_restore forbid those inside.
        self.feed(f"\n{sql};\nselect '{_DONE}';\n".encode())
        lines: list[str] = []
        try:
            self._stdin.flush()
        except BrokenPipeError:
            raise self._failure() from None
        for line in self._stdout:
            text = line.decode().rstrip("\n")
            if text == _DONE:
                return lines
            lines.append(text)
        raise self._failure()

    def warnings(self) -> list[str]:
        """What the server warned of."""
        return [line for line in self._lines() if line.startswith("WARNING:")]

    def commit(self) -> None:
        """All of it is in, or the error says why not."""
        self.ask("commit; select 1")

    def _failure(self) -> BackupFailed:
        self._process.wait()
        said = self._lines()
        errors = [line for line in said if line.startswith(("ERROR:", "FATAL:", "psql:", "DETAIL:"))]
        why = "; ".join((errors or said or ["psql ended without a word"])[:4])
        return BackupFailed(
            f"the server refused it, and nothing was changed: {why}", next_step="mend the cause, then again"
        )

    def _lines(self) -> list[str]:
        self._said.seek(0)
        return self._said.read().decode(errors="replace").splitlines()


@contextmanager
def transaction(psql: Path, url: str) -> Iterator[Transaction]:
    """A transaction of its own session. Whoever leaves without a commit, leaves nothing behind."""
    place, password = without_password(url)
    # -X: no settings of the user; -w: no question for a password; -q -A -t: rows and nothing else on stdout.
    command = (psql, "-X", "-w", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", place)
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, env=child_environment(password)
        )
        try:
            opened = Transaction(process, said)
            opened.ask("begin; select 1")
            yield opened
        finally:
            # NOTE: an end of its input is an end of the script to psql, in the middle of a COPY too. It is killed
            # first, so that a session that was left early rolls back.
            process.kill()
            process.communicate()
