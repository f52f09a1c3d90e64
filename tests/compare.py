"""Compares a lake with what the raw file says should be in it, with readers that are not ours.

    python3 tests/compare.py RAW.jsonl[.gz] CATALOG.db
    python3 tests/compare.py foreign CATALOG.db COMMAND [ARGUMENTS]

The second does what other engines do to a lake, or shows what is in it (compare/foreign.py).
    python3 tests/compare.py --python      prints the Python that has the packages
    python3 tests/compare.py contracts FILE...   asks datacontract-cli whether it takes contracts

Needs nothing but Python: the packages in compare/requirements.txt (for contracts, those in
compare/contracts.txt) are installed once, below the user's cache folder, into an environment named
by the hash of that file. Exit code 0: all equal;
1: something differs; 2: could not be compared; 77: skipped, because the packages can't be had
(1 instead when ASSAY_REQUIRE names python).
"""

import fcntl
import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent / "compare"
REQUIREMENTS = SCRIPTS / "requirements.txt"
CONTRACTS = SCRIPTS / "contracts.txt"
SKIPPED = 77


def environment(requirements=REQUIREMENTS):
    """The Python with the packages, installed by the first who asks."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    name = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = cache / "assay-tools" / "compare-venv" / name
    python, complete = folder / "bin" / "python", folder / "complete"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():
            print(f"installing {requirements.name} into {folder}", file=sys.stderr, flush=True)
            venv.create(folder, clear=True, with_pip=True)
            pip = [python, "-m", "pip", "install", "--quiet", "--no-input"]
            pip += ["--disable-pip-version-check", "--requirement", requirements]
            subprocess.run(pip, check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr)
            complete.touch()
    return python


def main():
    if sys.argv[1:] == ["--python"]:
        print(environment())
        return 0
    foreign = sys.argv[1:2] == ["foreign"] and len(sys.argv) > 3
    contracts = sys.argv[1:2] == ["contracts"] and len(sys.argv) > 2
    if len(sys.argv) != 3 and not foreign and not contracts:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        python = environment(CONTRACTS if contracts else REQUIREMENTS)
    except (OSError, subprocess.CalledProcessError) as error:
        if isinstance(error, subprocess.CalledProcessError):
            error = f"the installation exited with {error.returncode}"
        required = "python" in os.environ.get("ASSAY_REQUIRE", "")
        what = "failed" if required else "skipped"
        print(f"{what}: the comparison's packages can't be had: {error}", file=sys.stderr)
        return 1 if required else SKIPPED
    if foreign:
        script = [python, SCRIPTS / "foreign.py", *sys.argv[2:]]
        done = subprocess.run(script, stdin=subprocess.DEVNULL)
        return 2 if done.returncode < 0 else done.returncode
    if contracts:
        script = [python, SCRIPTS / "contracts.py", *sys.argv[2:]]
        done = subprocess.run(script, stdin=subprocess.DEVNULL)
        return 2 if done.returncode < 0 else done.returncode
    raw, catalog = (str(Path(path).resolve()) for path in sys.argv[1:])
    worst = 0
    for script, arguments in (("github_events.py", [raw, catalog]), ("readers.py", [catalog])):
        print(f"== {script}", flush=True)
        done = subprocess.run([python, SCRIPTS / script, *arguments], stdin=subprocess.DEVNULL)
        worst = max(worst, 2 if done.returncode < 0 else done.returncode)
    return worst


if __name__ == "__main__":
    sys.exit(main())
