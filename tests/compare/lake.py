"""Opens the Iceberg tables of a lake by its catalog file or by their metadata files."""

import argparse
from pathlib import Path

from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import StaticTable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "lake",
        nargs="+",
        metavar="CATALOG.db | NAME=METADATA.json",
        help="the SQLite catalog, or for each table its name (silver.github_events) and metadata file",
    )
    parser.add_argument("--catalog-name", default="assay")
    parser.add_argument(
        "--warehouse", help="the folder of the tables (default: beside the catalog)"
    )


def open_tables(arguments: argparse.Namespace) -> dict:
    """All tables of the lake by name, each at its newest snapshot."""
    if all("=" in place for place in arguments.lake):
        named = dict(place.split("=", 1) for place in arguments.lake)
        return {name: StaticTable.from_metadata(path) for name, path in named.items()}
    [database] = arguments.lake
    path = Path(database).resolve()
    if not path.is_file():
        raise SystemExit(f"{database} is no catalog file")
    warehouse = arguments.warehouse or str(path.parent)
    catalog = SqlCatalog(
        arguments.catalog_name, uri=f"sqlite:///{path}", warehouse=f"file://{warehouse}"
    )
    tables = {}
    for namespace in sorted(catalog.list_namespaces()):
        for identifier in sorted(catalog.list_tables(namespace)):
            tables[".".join(identifier)] = catalog.load_table(identifier)
    return tables


def print_table(head: list[str], rows: list[list]) -> None:
    """Prints columns as wide as their widest cell, numbers to the right."""
    cells = [head] + [[f"{c:,}" if isinstance(c, int) else str(c) for c in row] for row in rows]
    widths = [max(len(row[place]) for row in cells) for place in range(len(head))]
    numbers = [all(isinstance(row[place], int) for row in rows) for place in range(len(head))]
    for row in cells:
        aligned = [
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(row, widths, numbers)
        ]
        print("  ".join(aligned).rstrip())
