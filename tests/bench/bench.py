"""Speed and memory as ratios to what PostgreSQL itself needs for the same rows, measured in the same run.

`just bench` runs it. The yardstick is `COPY … TO STDOUT (BINARY) | COPY … FROM STDIN (BINARY)` through two psql, of
every table that the run wrote, into tables without indexes: the limit of anything that passes through a client.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psutil

from etl import database, server


@dataclass(frozen=True, slots=True)
class Measured:
    """One command: seconds, and the greatest resident memory of its process in MB."""

    seconds: float
    memory_mb: float
    report: Any
    told: str = ""


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
            switch(env)
            resume(env)
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


def switch(env: dict[str, str]) -> None:
    """How long readers are held up by a publication and by its reversal, and how long the commands take."""
    published = etl(["run", "--json", "--phase", "raw"], env).report["details"]["publish_lock_seconds"]
    back = etl(["rollback", "--yes"], env)
    held_up = re.search(r"held up for (\d+) ms", back.told).group(1)
    changes = etl(["diff", "--json"], env)
    print(
        f"  readers held up: publication {1000 * published:.0f} ms, rollback {held_up} ms "
        f"(whole command {back.seconds:.2f} s); diff of two loads {changes.seconds:.2f} s",
        flush=True,
    )


def resume(env: dict[str, str]) -> None:
    """A raw phase that is killed halfway and resumed, against one that is not."""
    arguments = ["run", "--json", "--phase", "raw"]
    whole = etl(arguments, env)
    process = subprocess.Popen(
        [sys.executable, "-m", "etl", *arguments], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    began = time.perf_counter()
    try:
        process.wait(timeout=whole.seconds * 0.6)
        raise SystemExit("the run that was to be killed ended too early")
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    first = time.perf_counter() - began
    run_id = max(run["run"] for run in etl(["history", "--json"], env).report)
    second = etl(["run", "--json", "--resume", str(run_id), "--phase", "raw"], env)
    batches = second.report["details"].get("resumed", {}).get("kept_batches", 0)
    extra = (first + second.seconds) / whole.seconds - 1
    print(
        f"  killed after {first:.2f} s, resumed in {second.seconds:.2f} s ({batches} batches kept); whole "
        f"{whole.seconds:.2f} s: {extra:+.0%}",
        flush=True,
    )


def etl(arguments: list[str], env: dict[str, str]) -> Measured:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.perf_counter()
        process = psutil.Popen([sys.executable, "-m", "etl", *arguments], env=env, stdout=out, stderr=err)
        peak = 0
        while process.poll() is None:
            peak = max(peak, resident(process))
            time.sleep(0.02)
        seconds = time.perf_counter() - began
        text, told = (_read(file) for file in (out, err))
    if process.returncode:
        raise SystemExit(f"etl {' '.join(arguments)} ended with {process.returncode}\n{text}{told}")
    return Measured(seconds, peak / 2**20, json.loads(text) if "--json" in arguments else None, told)


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


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
