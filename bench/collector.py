"""Measures the collector and, in the same run, a bare handler and a collector of the usual kind.

    python collector.py ASSAY LOAD BARE [--seconds S] [--rounds R] [--kafka HOST:PORT] [--only SERVERS]

Every server gets the same real-size events, over 16 and 256 connections that stay, one event a
request; ours and the bare handler also bodies of 100 lines. The usual kind (FastAPI, aiokafka) needs a
broker (and BENCH_PYTHON, a Python with fastapi, uvicorn, aiokafka and fastavro) and is left out without
one. Seconds of the processors are those of the server's process, for
each event that it answered with 2xx, and until its queue was empty; delivered is what was in the log
when the last answer came, for each second. The servers take turns, and what
is shown is the median of the rounds. The disk's own fsync is measured before each of our runs.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
TICKS = os.sysconf("SC_CLK_TCK")
PORT = 18290


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("programs", nargs=3, metavar=("ASSAY", "LOAD", "BARE"))
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kafka")
    parser.add_argument("--only", default="bare,process,power,fastapi")
    options = parser.parse_args()
    assay, load, bare = options.programs
    with tempfile.TemporaryDirectory(dir=os.environ.get("ASSAY_BENCH_DIR")) as folder:
        bench = Bench(Path(folder), assay, load, bare, options)
        bench.run()
        bench.show()


class Bench:
    def __init__(self, folder, assay, load, bare, options):
        self.folder, self.assay, self.load, self.bare = folder, assay, load, bare
        self.options = options
        self.events = folder / "events.jsonl"
        command = [assay, "generate", "github-events", "--payloads", "real", "--defects", "0"]
        subprocess.run([*command, "--count", "20000", "--out", self.events], check=True)
        self.mean = self.events.stat().st_size / 20_000
        self.rows = {}

    def run(self):
        servers = self.options.only.split(",")
        if not self.options.kafka:
            servers = [server for server in servers if server != "fastapi"]
        for _ in range(self.options.rounds):
            for connections, lines in ((16, 1), (256, 1), (16, 100)):
                for server in servers:
                    if server != "fastapi" or lines == 1:
                        row = self.measure(server, connections, lines)
                        self.rows.setdefault((connections, lines, server), []).append(row)

    def measure(self, server, connections, lines):
        data = self.folder / "data"
        shutil.rmtree(data, ignore_errors=True)
        data.mkdir()
        fsync = self.fsync() if server == "power" else 0.0
        with self.serve(server, data) as process:
            before = seconds_of(process.pid)
            command = [self.load, f"127.0.0.1:{PORT}", self.events, connections, lines, self.options.seconds]
            told = subprocess.run([str(part) for part in command], check=True, capture_output=True)
            told = json.loads(told.stdout)
            missing = self.missing(server, told["events"])
            self.drain(server)
            cpu = seconds_of(process.pid) - before
            memory = peak_of(process.pid)
            process.terminate()
            process.wait(60)
        row = {
            "rate": told["requests"] / told["seconds"],
            "delivered": (told["events"] - missing) / told["seconds"],
            "p50": told["p50"], "p99": told["p99"],
            "cpu": 1000 * cpu / max(told["events"], 1),
            "megabytes": told["events"] * self.mean / 1e6 / max(cpu, 1e-9),
            "memory": memory, "fsync": fsync, "others": sum(told["others"].values()),
        }
        print(f"  {server:8} {connections:4} × {lines:3} {row['rate']:9.0f}/s p99 {row['p99']:7.2f} ms "
              f"{row['cpu']:.4f} ms CPU {row['memory']:5.0f} MB {told['others'] or ''}", file=sys.stderr, flush=True)
        return row

    def serve(self, server, data):
        address = f"127.0.0.1:{PORT}"
        environment = dict(os.environ)
        if server == "bare":
            command = [self.bare, address]
        elif server == "fastapi":
            environment |= {
                "BENCH_KAFKA": self.options.kafka,
                "BENCH_SCHEMA": str(HERE.parent / "pipelines/github_events/schemas/github_event.avsc"),
            }
            command = [os.environ.get("BENCH_PYTHON", sys.executable), "-m", "uvicorn", "fastapi_peer:app"]
            command += ["--port", str(PORT), "--log-level", "warning"]
        else:
            if self.options.kafka:
                (data / "assay.yaml").write_text(f"log: kafka://{self.options.kafka}\n")
                environment["ASSAY_CONFIG"] = str(data / "assay.yaml")
            command = [self.assay, "--data-dir", data, "collect", "github_events"]
            command += ["--listen", address, "--durability", server]
        process = subprocess.Popen([str(part) for part in command], cwd=HERE, env=environment, stderr=subprocess.DEVNULL)
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://{address}/health", timeout=1)
                break
            except urllib.error.HTTPError:
                break
            except OSError:
                time.sleep(0.05)
        return process

    def missing(self, server, events):
        """Events that were answered and are not in the log, now or ever."""
        if server == "fastapi":
            return events - self.told("sent", "sent")
        return self.waiting(server)

    def waiting(self, server):
        """Events that are still to be sent."""
        if server == "bare":
            return 0
        return self.told(*(("sent", "waiting") if server == "fastapi" else ("health", "queue_size")))

    def told(self, page, number):
        text = urllib.request.urlopen(f"http://127.0.0.1:{PORT}/{page}", timeout=30).read().decode()
        return json.loads(text)[number]

    def drain(self, server):
        end = time.monotonic() + 120
        while self.waiting(server) > 0 and time.monotonic() < end:
            time.sleep(0.1)

    def fsync(self):
        """The 99th percentile of what this disk takes to sync 64 kB that were appended."""
        taken, path = [], self.folder / "probe"
        with open(path, "wb", buffering=0) as file:
            end = time.monotonic() + 2
            while time.monotonic() < end:
                file.write(b"x" * 65536)
                begun = time.monotonic()
                os.fdatasync(file.fileno())
                taken.append(1000 * (time.monotonic() - begun))
        path.unlink()
        return statistics.quantiles(taken, n=100)[98]

    def show(self):
        print(f"\n{self.mean:,.0f} bytes an event; median of {self.options.rounds}; load {os.getloadavg()[0]:.1f}\n")
        print("| connections × events | server | requests/s | delivered events/s | p50 ms | p99 ms | fsync p99 ms "
              "| CPU ms/event | MB/s per core | peak MB | not 2xx |")
        print("|---|---|" + "---:|" * 9)
        for (connections, lines, server), rows in self.rows.items():
            of = {key: statistics.median(row[key] for row in rows) for key in rows[0]}
            fsync = f"{of['fsync']:.1f}" if server == "power" else "–"
            print(f"| {connections} × {lines} | {server} | {of['rate']:,.0f} | {of['delivered']:,.0f} | {of['p50']:.2f} "
                  f"| {of['p99']:.2f} | {fsync} | {of['cpu']:.4f} | {of['megabytes']:,.0f} | {of['memory']:.0f} "
                  f"| {of['others']:.0f} |")


def seconds_of(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_of(pid):
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", text).group(1)) / 1024


if __name__ == "__main__":
    main()
