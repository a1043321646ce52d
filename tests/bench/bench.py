"""Speed and memory as ratios to what PostgreSQL itself needs for the same rows, measured in the same run.

`just bench` runs it. The yardstick is `COPY … TO STDOUT (BINARY) | COPY … FROM STDIN (BINARY)` through two psql, of
every table that the run wrote, into tables without indexes: the limit of anything that passes through a client.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from etl import database, server


@dataclass(frozen=True, slots=True)
class Measured:
    """One command: seconds, and the greatest resident memory of its process in MB."""

    seconds: float
    memory_mb: float
    report: dict


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scales", default="1,50", help="sample scales, comma separated")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each kind; the median counts")
    given = parser.parse_args()
    for scale in map(float, given.scales.split(",")):
        measure(scale, repeat=given.repeat)


def measure(scale: float, *, repeat: int) -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="etl-bench-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        env = {**os.environ, "ETL_HOME": str(home)}
        try:
            etl(["sample", "create", "--scale", str(scale)], env)
            print(f"scale {scale:g}", flush=True)
            raw, off = ["--phase", "raw"], {"ETL_RUN_CHECKSUMS": "false"}
            for label, options, given in (("raw phase", raw, {}), ("raw, no sums", raw, off), ("full run", [], {})):
                compare(label, options, env | given, home, repeat=repeat)
        finally:
            server.stop(home)


def compare(label: str, options: list[str], env: dict[str, str], home: Path, *, repeat: int) -> None:
    pairs = []
    for _ in range(repeat):
        ours = etl(["run", "--json", *options], env)
        pairs.append((ours, copy_through(home, ours.report["run_id"])))
    pairs.sort(key=lambda pair: pair[0].seconds / pair[1])
    ours, theirs = pairs[len(pairs) // 2]
    lines = sum(
        t["read"] for t in ours.report["tables"] if t["table"] in ("moneylines_raw", "spreads_raw", "totals_raw")
    )
    print(
        f"  {label:<12} {ours.seconds:7.2f} s  {lines / ours.seconds:9,.0f} lines/s  peak {ours.memory_mb:6.0f} MB   "
        f"COPY|COPY {theirs:6.2f} s   ratio {ours.seconds / theirs:5.2f}",
        flush=True,
    )


def etl(arguments: list[str], env: dict[str, str]) -> Measured:
    began = time.perf_counter()
    process = psutil.Popen(
        [sys.executable, "-m", "etl", *arguments], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    peak = 0
    with process.stdout as out:
        os.set_blocking(out.fileno(), False)
        parts = []
        while process.poll() is None:
            peak = max(peak, resident(process))
            parts.append(out.read() or b"")
            time.sleep(0.05)
        parts.append(out.read() or b"")
    seconds = time.perf_counter() - began
    text = b"".join(parts).decode()
    if process.returncode:
        raise SystemExit(f"etl {' '.join(arguments)} ended with {process.returncode}\n{text}")
    return Measured(seconds, peak / 2**20, json.loads(text) if "--json" in arguments else {})


def resident(process: psutil.Popen) -> int:
    try:
        return process.memory_info().rss
    except psutil.NoSuchProcess:
        return 0


def copy_through(home: Path, run_id: int) -> float:
    """Seconds that two psql need for every table that the run wrote."""
    url = server.url(home, "target")
    with database.session(url, autocommit=True) as connection:
        found = database.rows(connection, f"select relation from audit.loads where run_id = {run_id}")
        names = [name for (name,) in found]
        database.script(connection, ["drop schema if exists bench cascade", "create schema bench"])
        database.script(connection, [f'create table bench."{n}" (like loads."{n}")' for n in names])
    psql = str(server.client_program("psql"))
    seconds = 0.0
    for name in names:
        began = time.perf_counter()
        source = subprocess.Popen(
            [psql, url, "-qc", f'copy loads."{name}" to stdout (format binary)'], stdout=subprocess.PIPE
        )
        subprocess.run(
            [psql, url, "-qc", f'copy bench."{name}" from stdin (format binary)'], stdin=source.stdout, check=True
        )
        source.wait()
        seconds += time.perf_counter() - began
    return seconds


if __name__ == "__main__":
    main()
