"""Measures the stream into Postgres and, on the same messages, a bare loop of consumer and binary COPY.

    python stream.py ASSAY BARE [--events N] [--rate R] [--seconds S]

Starts a Kafka and a PostgreSQL of its own, and ends them. First N events without defects, as fast as
each takes them into the same indexed tables, one after the other: what is told is the rate between the
first commit and the last. Then events at a rate of R a second with defects, late and repeated ones for S
seconds, while the stream follows: how long from the time that an event was made to the commit that shows
it, by the server's own clock, and what the worker needs. In the end `assay verify` finds all of it exact.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SERVICES = Path(__file__).resolve().parent.parent / "tests/services"
TICKS = os.sysconf("SC_CLK_TCK")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("programs", nargs=2, metavar=("ASSAY", "BARE"))
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rate", type=int, default=5_000)
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=os.environ.get("ASSAY_BENCH_DIR")))
    # The server's user is another one.
    folder.chmod(0o755)
    bench = Bench(folder, options)
    try:
        bench.start()
        bench.at_full_speed(options.events)
        bench.at_a_rate(options.rate, options.seconds)
    finally:
        bench.end()
        shutil.rmtree(folder, ignore_errors=True)


class Bench:
    def __init__(self, folder, options):
        self.folder = folder
        self.assay, self.bare = (Path(program).resolve() for program in options.programs)
        self.kafka, self.postgres = 19_700, free_port()
        self.environment = os.environ | {
            "ASSAY_KAFKA_PORT": str(self.kafka),
            "ASSAY_KAFKA_STATE": str(folder / "kafka"),
            "ASSAY_POSTGRES_PORT": str(self.postgres),
            "ASSAY_POSTGRES_STATE": str(folder / "postgres"),
            # So that the time of a commit can be asked for.
            "ASSAY_POSTGRES_OPTIONS": "-c track_commit_timestamp=on -c max_wal_size=4GB",
            "ASSAY_DATA_DIR": str(folder / "data"),
        }

    def service(self, name, what):
        command = [SERVICES / f"{name}.sh", what]
        subprocess.run(command, env=self.environment, check=True, stdout=subprocess.DEVNULL)

    def start(self):
        for name in ("kafka", "postgres"):
            self.service(name, "start")
        (self.folder / "assay.yaml").write_text(f"log: kafka://127.0.0.1:{self.kafka}\n")

    def end(self):
        for name in ("kafka", "postgres"):
            subprocess.run([SERVICES / f"{name}.sh", "kill"], env=self.environment, stdout=subprocess.DEVNULL)

    def address(self, database):
        return f"postgres://postgres@127.0.0.1:{self.postgres}/{database}?sslmode=disable"

    def sql(self, database, sql):
        command = ["psql", "-qAtX", "-v", "ON_ERROR_STOP=1", "-d", self.address(database), "-c", sql]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def command(self, database, *arguments):
        environment = self.environment | {"ASSAY_POSTGRES": self.address(database)}
        command = [str(self.assay), *map(str, arguments)]
        return {"args": command, "env": environment, "cwd": self.folder}

    def run(self, database, *arguments):
        done = subprocess.run(**self.command(database, *arguments), capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{arguments}: {done.stderr}")
        return done.stdout

    def migrated(self, database):
        self.sql("postgres", f"CREATE DATABASE {database}")
        self.run(database, "db", "migrate", "--pipeline", "ecommerce")

    def follow(self):
        what = ("run", "stream", "--pipeline", "ecommerce", "--governed", "--follow")
        said = open(self.folder / "worker.log", "w")
        return subprocess.Popen(**self.command("stream", *what), stdout=said, stderr=said)

    def at_full_speed(self, events):
        for database in ("bare", "stream"):
            self.migrated(database)
        clean = ("--defects", "0", "--late", "0", "--duplicates", "0")
        self.run("stream", "generate", "ecommerce", "--count", events, "--rate", 5_000, *clean)
        bare = [self.bare, "--kafka", f"127.0.0.1:{self.kafka}", "--postgres", self.address("bare"), "--count", events]
        told = subprocess.run(list(map(str, bare)), check=True, capture_output=True, text=True).stdout
        limit = json.loads(told)["rate"]
        worker = self.follow()
        self.until(worker, f"SELECT count(*) = {events} FROM events_clean", 3600)
        cpu, memory = needs_of(worker.pid)
        finished(worker)
        rate = float(self.sql("stream", """
            WITH c AS (SELECT number, committed_at AS at, (report::jsonb -> 'counts' ->> 'read')::int AS read
                       FROM assay.commits)
            SELECT sum(read) FILTER (WHERE number > 1) / extract(epoch FROM max(at) - min(at)) FROM c"""))
        print(f"{events:,} events: {rate:,.0f}/s, bare loop {limit:,.0f}/s, ratio {rate / limit:.2f}; "
              f"{cpu:.1f} CPU s, {memory:.0f} MB", flush=True)

    def at_a_rate(self, rate, seconds):
        worker = self.follow()
        begun = self.sql("stream", "SELECT now()")
        shares = ("--defects", "1%", "--late", "0.5%", "--duplicates", "1%", "--seed", "7")
        what = ("generate", "ecommerce", "--follow", "--rate", rate, "--count", rate * seconds, *shares)
        generator = subprocess.Popen(**self.command("stream", *what), stderr=subprocess.DEVNULL)
        memory, quarter = [], max(seconds / 4, 1)
        while generator.poll() is None:
            time.sleep(min(quarter, 15))
            memory.append(resident_of(worker.pid))
        self.until(worker, "SELECT NOT EXISTS (SELECT 1 FROM assay.commits WHERE committed_at > now() - interval '3 seconds')", 600)
        cpu, peak = needs_of(worker.pid)
        finished(worker)
        # Of the first seconds some went into starting.
        p50, p95, p99, count, span = self.sql("stream", f"""
            WITH e AS (SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin) - t_generated AT TIME ZONE 'UTC')
                         * 1000 AS ms, t_generated AS at
                       FROM event_traces WHERE t_generated > timestamptz '{begun}' AT TIME ZONE 'UTC' + interval '10 s')
            SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY ms), percentile_cont(0.95) WITHIN GROUP (ORDER BY ms),
              percentile_cont(0.99) WITHIN GROUP (ORDER BY ms), count(*), extract(epoch FROM max(at) - min(at)) FROM e
            """).split("|")
        print(f"{float(count) / max(float(span), 1):,.0f}/s for {float(span):.0f} s: generated to visible "
              f"p50 {float(p50):,.0f}, p95 {float(p95):,.0f}, p99 {float(p99):,.0f} ms; {cpu:.1f} CPU s, "
              f"{peak:.0f} MB at most, then and then {', '.join(f'{size:.0f}' for size in memory)}", flush=True)
        print(self.run("stream", "verify", "ecommerce").strip(), flush=True)

    def until(self, worker, sql, seconds):
        end = time.monotonic() + seconds
        while self.sql("stream", sql) != "t":
            if worker.poll() is not None or time.monotonic() > end:
                sys.exit((self.folder / "worker.log").read_text()[-2000:])
            time.sleep(0.5)


def finished(worker):
    worker.terminate()
    worker.wait(120)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def status_of(pid, name):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    return 0.0


def resident_of(pid):
    return status_of(pid, "VmRSS:")


def needs_of(pid):
    """Seconds of the processors, and the most megabytes."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS, status_of(pid, "VmHWM:")


if __name__ == "__main__":
    main()
