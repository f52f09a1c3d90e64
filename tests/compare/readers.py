"""Reads every table of a lake with two engines that share no code, pyiceberg and DuckDB.

    python readers.py CATALOG.db [--warehouse DIR]

Both must see the same rows: their number, the sum of every number, true values of every boolean,
distinct values and total length of every text, first and last of every date and time.
Exit code 0: they agree; 1: they do not.
"""

import argparse
import importlib.resources
import sys

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

import lake

NUMBERS = ("int", "long", "float", "double", "decimal")
TIMES = ("date", "timestamp", "timestamptz")


def measures(field):
    """What is measured of a column: a name, DuckDB's expression and pyarrow's function."""
    column, kind = f'"{field.name}"', str(field.field_type)
    if kind.startswith(NUMBERS):
        exact = "decimal(38, 9)" if kind.startswith("decimal") else "hugeint"
        summed = (
            f"fsum({column})" if kind in ("float", "double") else f"sum({column}::{exact})::double"
        )
        yield "sum", summed, lambda array: float(pc.sum(array).as_py() or 0)
    elif kind.startswith(TIMES):
        yield (
            "first",
            f"epoch_us(min({column})::timestamp)",
            lambda array: pc.min(micros(array)).value,
        )
        yield (
            "last",
            f"epoch_us(max({column})::timestamp)",
            lambda array: pc.max(micros(array)).value,
        )
    elif kind == "boolean":
        yield "true", f"count(*) filter ({column})", lambda array: pc.sum(array).as_py() or 0
    elif kind == "string":
        yield (
            "distinct",
            f"count(distinct {column})",
            lambda array: pc.count_distinct(array).as_py(),
        )
        yield (
            "length",
            f"sum(strlen({column}))::bigint",
            lambda array: pc.sum(pc.binary_length(array)).as_py() or 0,
        )
    yield "null", f"count(*) - count({column})", lambda array: array.null_count


def micros(array):
    return array.cast(pa.timestamp("us"))


def alike(one, other):
    if isinstance(one, float) or isinstance(other, float):
        one, other = float(one or 0), float(other or 0)
        return abs(one - other) <= 1e-9 * max(1.0, abs(one), abs(other))
    return (one or 0) == (other or 0)


def connect():
    """DuckDB with its Iceberg extension from the package, so that nothing is downloaded."""
    db = duckdb.connect()
    for name in ("avro", "iceberg"):
        files = importlib.resources.files(f"duckdb_extension_{name}")
        path = files / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
        db.execute(f"load '{path}'")
    db.execute("set timezone = 'UTC'")
    return db


def compare(db, name, table):
    """One line for the table, and what the two engines do not agree on."""
    fields = [(field, *measure) for field in table.schema().fields for measure in measures(field)]
    rows = table.scan().to_arrow()
    by_pyiceberg = [len(rows)] + [measure(rows[field.name]) for field, _, _, measure in fields]
    if table.current_snapshot() is None:
        by_duckdb = [0] * len(by_pyiceberg)
    else:
        expressions = ", ".join(["count(*)"] + [sql for _, _, sql, _ in fields])
        location = table.metadata_location.removeprefix("file://").replace("'", "''")
        by_duckdb = db.execute(f"select {expressions} from iceberg_scan('{location}')").fetchone()
    labels = ["rows"] + [f"{what} of {field.name}" for field, what, _, _ in fields]
    found = [
        f"{name}: {label}: pyiceberg {one}, DuckDB {other}"
        for label, one, other in zip(labels, by_pyiceberg, by_duckdb)
        if not alike(one, other)
    ]
    files = len(list(table.scan().plan_files()))
    verdict = "DIFFERENT" if found else "equal"
    return [name, files, by_pyiceberg[0], by_duckdb[0], len(labels), verdict], found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    lake.add_arguments(parser)
    tables = lake.open_tables(parser.parse_args())
    db = connect()
    rows, found = [], []
    for name, table in tables.items():
        row, differs = compare(db, name, table)
        rows.append(row)
        found += differs
    lake.print_table(["table", "files", "rows: pyiceberg", "rows: DuckDB", "measures", ""], rows)
    for line in found:
        print(line)
    if not tables:
        print("the lake has no tables", file=sys.stderr)
    return 1 if found or not tables else 0


if __name__ == "__main__":
    sys.exit(main())
