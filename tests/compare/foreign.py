"""Does to a lake what other engines do beside Assay, with pyiceberg, and shows what is in it.

    python foreign.py CATALOG.db contents
    python foreign.py CATALOG.db COMMAND TABLE [COLUMN VALUE]

`contents` prints one hash for each table, the same from pyiceberg and from DuckDB, of all its rows
in any order. The commands:

    overwrite  replaces all rows by themselves: files with new sequence numbers (a compaction by an
               engine that knows no better)
    append     appends the rows for which COLUMN is VALUE once more
    delete     deletes the rows for which COLUMN is VALUE: whole files, or rewritten ones
    expire     lets all snapshots go but the current one
    forget     takes out the marks that stages and stores left
"""

import hashlib
import sys
from argparse import Namespace

import pyarrow as pa
from pyiceberg.expressions import EqualTo

import lake
from readers import connect


def tables(catalog: str) -> dict:
    return lake.open_tables(Namespace(lake=[catalog], catalog_name="assay", warehouse=None))


def fingerprint(rows: pa.Table) -> str:
    """A hash of all rows that does not depend on their order, nor on how they were cut."""
    named = sorted(rows.column_names)
    columns = [rows[name].to_pylist() for name in named]
    lines = sorted(repr(row) for row in zip(*columns)) if named else []
    return f"{len(lines)} {hashlib.sha256(repr((named, lines)).encode()).hexdigest()[:16]}"


def by_duckdb(db, table) -> pa.Table:
    location = table.metadata_location.removeprefix("file://").replace("'", "''")
    rows = db.execute(f"select * from iceberg_scan('{location}')").to_arrow_table()
    # One way to write types of which the two have several.
    return rows.cast(table.schema().as_arrow()) if table.current_snapshot() else rows


def contents(catalog: str) -> int:
    db, wrong = connect(), 0
    for name, table in tables(catalog).items():
        own = table.scan().to_arrow().cast(table.schema().as_arrow())
        one = fingerprint(own)
        other = fingerprint(by_duckdb(db, table)) if table.current_snapshot() else one
        print(name, one)
        if one != other:
            print(f"{name}: DuckDB has {other}", file=sys.stderr)
            wrong = 1
    return wrong


def change(catalog: str, command: str, name: str, column: str = "", value: str = "") -> int:
    table = tables(catalog)[name]
    if command == "overwrite":
        table.overwrite(table.scan().to_arrow())
    elif command == "append":
        table.append(table.scan(row_filter=EqualTo(column, value)).to_arrow())
    elif command == "delete":
        table.delete(EqualTo(column, value))
    elif command == "expire":
        current = table.current_snapshot().snapshot_id
        old = [one.snapshot_id for one in table.snapshots() if one.snapshot_id != current]
        table.maintenance.expire_snapshots().by_ids(old).commit()
    elif command == "forget":
        marks = [key for key in table.properties if key.startswith(("assay.read.", "assay.told."))]
        with table.transaction() as transaction:
            transaction.remove_properties(*marks)
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    catalog, command, *rest = sys.argv[1:]
    sys.exit(contents(catalog) if command == "contents" else change(catalog, command, *rest))
