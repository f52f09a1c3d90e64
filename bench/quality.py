"""Judges the same file by the same twelve rules with Assay, hand-written DuckDB SQL, GX, Soda and pandera.

    python quality.py JUDGE [--rows N] [--rounds R] [--only NAMES] [--folder DIR]

JUDGE is the benchmark binary `quality`. The file is made from a seed: N rows of 8 columns, exactly
1 % of them with one defect, in ten kinds of equal size. Every tool runs as a process of its own, in
turn; its counts are held against what was planted. What is shown is the median of the rounds: seconds
on the wall, seconds of the processors, the greatest resident set.

Packages of others come from PyPI, each tool in an environment of its own below --tools.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
PEERS = HERE / "quality_peers.py"
CONTRACT = HERE / "quality.odcs.yaml"
NEEDS = {
    "duckdb": ["duckdb==2.0.0", "pyarrow", "numpy"],
    "gx": ["great_expectations==1.24.1", "pyarrow"],
    "soda": ["soda-core==4.28.0", "soda-duckdb==4.28.0"],
    "pandera": ["pandera[polars]==0.35.0", "polars==2.1.0", "pyarrow"],
}
# The rules of Assay that others count otherwise: of rows, and not of copies beyond the first.
DUPLICATES = "id.unique"


def environment(tools, name):
    """A Python that has the tool."""
    folder = tools / name
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "-q", "install", *NEEDS[name]], check=True)
        (folder / "ready").touch()
    return python


def measured(command):
    """What a command says, and what it cost: wall seconds, seconds of processors, megabytes."""
    started = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen([str(part) for part in command], stdout=out, stderr=err)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - started
        for stream in (out, err):
            stream.seek(0)
        if process.returncode:
            sys.exit(f"{' '.join(map(str, command))}: {err.read().decode()[-2000:]}")
        said = out.read().decode().strip().splitlines()[-1]
    return json.loads(said), (wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("judge", type=Path)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--only", default="assay,assay-200,duckdb,gx,soda,pandera")
    options.add_argument("--folder", type=Path)
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    options.add_argument("--tools", type=Path, default=cache / "assay-tools" / "quality")
    options = options.parse_args()

    names = options.only.split(",")
    pythons = {name: environment(options.tools, name) for name in NEEDS if name in [*names, "duckdb"]}
    with tempfile.TemporaryDirectory() as made:
        folder = options.folder or Path(made)
        file = folder / f"orders-{options.rows}.parquet"
        if not file.exists():
            subprocess.run([pythons["duckdb"], PEERS, "generate", file, str(options.rows)], check=True)
        planted = json.loads(file.with_suffix(".json").read_text())
        rounds(options, names, pythons, file, planted)


def rounds(options, names, pythons, file, planted):
    judge = [options.judge, file, CONTRACT, "silver.orders"]
    commands = {"assay": judge, "assay-200": [*judge, "18"]}
    commands |= {name: [python, PEERS, name, file] for name, python in pythons.items()}
    taken, wrong = {}, []
    for number in range(options.rounds):
        for name in names:
            said, cost = measured(commands[name])
            taken.setdefault(name, []).append(cost)
            for rule, rows in planted["failed"].items():
                # Where rules stand several times, each copy has a number.
                counts = {said["failed"].get(rule, 0)}
                counts |= {count for copy, count in said["failed"].items() if re.fullmatch(re.escape(rule) + r"_\d+", copy)}
                # GX counts every copy, pandera every copy and every NULL.
                allowed = {rows} if rule != DUPLICATES else {rows, 2 * rows, 2 * rows + planted["failed"]["id.not_null"]}
                if name in ("assay", "assay-200", "duckdb"):
                    allowed = {rows}
                wrong += [f"{name}: {rule} has {found} and not {rows}" for found in counts - allowed]
            if number == 0:
                print(f"  {name}: {said.get('rules')} rules, score {said.get('score')}", file=sys.stderr)
    print(f"\n{options.rows:,} rows, {sum(planted['failed'].values()):,} of them planted with a defect, {options.rounds} rounds")
    print(f"{'':12}{'wall s':>9}{'cpu s':>9}{'peak MB':>9}{'wall, of DuckDB':>17}")
    beside = statistics.median(cost[0] for cost in taken["duckdb"]) if "duckdb" in taken else None
    for name, costs in taken.items():
        wall, cpu, peak = (statistics.median(part) for part in zip(*costs))
        share = f"{wall / beside:.2f}" if beside else ""
        print(f"{name:12}{wall:9.2f}{cpu:9.2f}{peak:9.0f}{share:>17}")
    if wrong:
        sys.exit("counts differ from what was planted:\n  " + "\n  ".join(sorted(set(wrong))))
    print("every count is what was planted")


if __name__ == "__main__":
    main()
