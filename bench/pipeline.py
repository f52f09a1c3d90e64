"""Measures the pipeline `github_events` and, in the same run, the same work hand-written in DuckDB.

    python pipeline.py ASSAY [--events N] [--rounds R] [--folder DIR]      the table of the stages
    python pipeline.py ASSAY --memory [--events N]     peak memory with N and with 10 N small events
    python pipeline.py ASSAY --growth [--rows N]       10,000 new events on tables of N and of 100 N

Seconds are those of the processors, user and system, of each process; memory is its greatest
resident set. Wall time says little on a machine that does other things too. The rounds alternate
between governed, ungoverned and DuckDB, and what is shown is the median.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HOPS = {"bronze": "kafka-to-bronze", "silver": "bronze-to-silver", "gold": "silver-to-gold"}
DUCKDB = Path(__file__).with_name("duckdb_steps.py")


class Meter:
    """Runs commands and keeps what each cost, by column and row of the table."""

    def __init__(self):
        self.taken = {}

    def run(self, column, row, command):
        started = time.monotonic()
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=said)
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                said.seek(0)
                sys.exit(f"{' '.join(map(str, command))}: {said.read().decode()[-2000:]}")
        cost = (used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, time.monotonic() - started)
        self.taken.setdefault((column, row), []).append(cost)
        print(f"  {column:10} {row:8} {cost[0]:7.2f} s {cost[1]:6.0f} MB", file=sys.stderr, flush=True)
        return cost

    def median(self, column, row):
        """Seconds of the processors, megabytes, seconds on the wall."""
        return [statistics.median(part) for part in zip(*self.taken[column, row])]


def generate(assay, path, events, payloads, seed=7, until="2026-11-20T00:00:00Z", hours=72):
    command = [assay, "generate", "github-events", "--count", events, "--seed", seed, "--out", path]
    command += ["--defects", "0", "--payloads", payloads, "--actors", 60_000, "--hours", hours]
    subprocess.run([str(part) for part in [*command, "--until", until]], check=True)


def ingest(assay, data, events):
    command = [assay, "--data-dir", data, "ingest", "github_events", "--file", events]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def hop(assay, data, name, governed=True):
    command = [assay, "--data-dir", data, "run", name, "--pipeline", "github_events"]
    return command + (["--governed"] if governed else ["--enable-dlq"])


def stages(assay, folder, events, rounds):
    lines = folder / "events.jsonl"
    generate(assay, lines, events, "real")
    log = folder / "log"
    ingest(assay, log, lines)
    meter = Meter()
    for _ in range(rounds):
        for column, governed in (("governed", True), ("ungoverned", False)):
            data = folder / column
            shutil.rmtree(data, ignore_errors=True)
            shutil.copytree(log, data)
            for row, name in HOPS.items():
                meter.run(column, row, hop(assay, data, name, governed))
            shutil.rmtree(data)
        files = folder / "duckdb"
        for row in [*HOPS, "all"]:
            meter.run("DuckDB", row, [sys.executable, DUCKDB, lines, files, row])
        shutil.rmtree(files)
    show_stages(meter, events, lines.stat().st_size)


def show_stages(meter, events, size):
    columns = ["governed", "ungoverned", "DuckDB"]
    print(f"\n{events:,} events, {size / events:,.0f} bytes each\n")
    print("| step | " + " | ".join(f"{c}: CPU s | MB | wall s" for c in columns) + " |")
    print("|---|" + "---:|" * 9)
    for row in HOPS:
        cells = [f"{c:.1f} | {m:.0f} | {w:.1f}" for c, m, w in (meter.median(k, row) for k in columns)]
        print(f"| {row} | " + " | ".join(cells) + " |")
    sums = {k: [meter.median(k, row) for row in HOPS] for k in columns}
    total = {k: sum(cost[0] for cost in costs) for k, costs in sums.items()}
    cells = [
        f"{total[k]:.1f} | {max(c[1] for c in sums[k]):.0f} | {sum(c[2] for c in sums[k]):.1f}"
        for k in columns
    ]
    print("| all, a process each | " + " | ".join(cells) + " |")
    one = meter.median("DuckDB", "all")
    print(f"| DuckDB in one process | | | | | | | {one[0]:.1f} | {one[1]:.0f} | {one[2]:.1f} |")
    print(f"\ngoverned / ungoverned {total['governed'] / total['ungoverned']:.2f}")
    print(f"DuckDB / governed {total['DuckDB'] / total['governed']:.2f} (a process each), "
          f"{one[0] / total['governed']:.2f} (one process)")


def memory(assay, folder, events):
    peaks = {}
    for count in (events, 10 * events):
        lines, data, meter = folder / "events.jsonl", folder / "data", Meter()
        generate(assay, lines, count, "small")
        ingest(assay, data, lines)
        lines.unlink()
        peaks[count] = [meter.run(f"{count:,}", row, hop(assay, data, name)) for row, name in HOPS.items()]
        shutil.rmtree(data)
    print("\n| step | " + " | ".join(f"{count:,} events: CPU s | MB" for count in peaks) + " | MB, ratio |")
    print("|---|" + "---:|" * 5)
    for row, few, many in zip(HOPS, *peaks.values()):
        print(f"| {row} | {few[0]:.1f} | {few[1]:.0f} | {many[0]:.1f} | {many[1]:.0f} | {many[1] / few[1]:.2f} |")


def growth(assay, folder, rows):
    costs = {}
    for count in (rows, 100 * rows):
        lines, data, meter = folder / "events.jsonl", folder / "data", Meter()
        generate(assay, lines, count, "small", hours=1)
        ingest(assay, data, lines)
        for name in HOPS.values():
            subprocess.run(hop(assay, data, name), check=True, stdout=subprocess.DEVNULL)
            if name == HOPS["silver"]:
                break
        for batch in range(3):
            generate(assay, lines, 10_000, "small", seed=100 + batch, hours=1)
            ingest(assay, data, lines)
            subprocess.run(hop(assay, data, HOPS["bronze"]), check=True, stdout=subprocess.DEVNULL)
            meter.run(f"{count:,}", "silver", hop(assay, data, HOPS["silver"]))
        costs[count] = meter.median(f"{count:,}", "silver")
        shutil.rmtree(data)
    few, many = costs.values()
    print("\n| rows in the table | CPU s of 10,000 new events | MB |\n|---:|---:|---:|")
    for count, cost in costs.items():
        print(f"| {count:,} | {cost[0]:.2f} | {cost[1]:.0f} |")
    print(f"\nratio {many[0] / few[0]:.2f}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("assay", type=Path)
    arguments.add_argument("--events", type=int, default=1_000_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--rows", type=int, default=100_000)
    arguments.add_argument("--memory", action="store_true")
    arguments.add_argument("--growth", action="store_true")
    arguments.add_argument("--folder", type=Path, help="where the data goes [default: a new one]")
    chosen = arguments.parse_args()
    folder = Path(tempfile.mkdtemp(dir=chosen.folder, prefix="assay-bench-"))
    try:
        if chosen.memory:
            memory(chosen.assay, folder, chosen.events)
        elif chosen.growth:
            growth(chosen.assay, folder, chosen.rows)
        else:
            stages(chosen.assay, folder, chosen.events, chosen.rounds)
    finally:
        shutil.rmtree(folder)


main()
