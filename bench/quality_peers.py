"""The twelve rules of quality.odcs.yaml in other tools, and the file that is judged.

    python quality_peers.py generate FILE ROWS | duckdb FILE | gx FILE | soda FILE | pandera FILE

Each prints how many rows broke each rule, by the names that Assay has for them.
"""

import json
import sys
from pathlib import Path

PATTERN = r"^[a-z0-9._]+@[a-z0-9.-]+\.[a-z]{2,}$"
COUNTRIES = ["VN", "US", "DE", "JP", "FR", "BR"]
STATES = ["new", "paid", "sent", "free"]
FIRST_DAY = "2020-01-01T00:00:00+00:00"


# Rows that are made at a time, so that a file may have any number of them.
PART = 1_000_000


def generate(path, rows):
    """One row in a hundred has one defect, of ten kinds, each as often; the same for the same number."""
    import pyarrow.parquet as pq

    each, writer = 0, None
    for first in range(0, rows, PART):
        table, defects = part(first, min(PART, rows - first))
        each += defects
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table, row_group_size=122_880)
    writer.close()
    names = ["id.not_null", "id.unique", "email.not_null", "email.pattern", "country.one_of", "amount.range"]
    names += ["quantity.range", "status.one_of", "updated_after_created", "free_costs_nothing"]
    planted = {"rows": rows, "failed": dict.fromkeys(names, each)}
    planted["failed"] |= {"country.not_null": 0, "created_at.range": 0}
    Path(path).with_suffix(".json").write_text(json.dumps(planted))


def part(first, rows):
    """Rows whose ids begin with a number, and how many have each defect."""
    import numpy as np
    import pyarrow as pa

    random = np.random.default_rng(20261128 + first)
    each = rows // 1000
    chosen = random.permutation(rows)
    kinds = chosen[: 10 * each].reshape(10, each)
    good = chosen[10 * each : 11 * each]

    numbers = first + random.permutation(rows)
    ids = np.char.add("ORD-", np.char.zfill(numbers.astype(str), 9)).astype(object)
    emails = np.char.add(np.char.add("user", random.integers(0, rows, rows).astype(str)), "@example.com").astype(object)
    countries = random.choice(np.array(COUNTRIES, dtype=object), rows)
    states = random.choice(np.array(STATES, dtype=object), rows, p=[0.3, 0.3, 0.35, 0.05])
    amounts = np.round(random.gamma(2.0, 60.0, rows), 2)
    amounts[states == "free"] = 0.0
    quantities = random.integers(1, 1001, rows)
    created = random.integers(1_600_000_000, 1_790_000_000, rows) * 1_000_000
    updated = created + random.integers(0, 1_000_000, rows) * 1_000_000

    ids[kinds[0]] = None
    ids[kinds[1]] = ids[good]
    emails[kinds[2]] = None
    emails[kinds[3]] = "no address"
    countries[kinds[4]] = "XX"
    amounts[kinds[5]] = -1.0
    states[kinds[5]] = "new"
    quantities[kinds[6]] = 0
    states[kinds[7]] = "lost"
    updated[kinds[8]] = created[kinds[8]] - 1
    states[kinds[9]], amounts[kinds[9]] = "free", 5.0

    time = pa.timestamp("us", tz="UTC")
    return pa.table({
        "id": pa.array(ids, pa.string()),
        "email": pa.array(emails, pa.string()),
        "country": pa.array(countries, pa.string()),
        "amount": pa.array(amounts, pa.float64()),
        "quantity": pa.array(quantities, pa.int64()),
        "status": pa.array(states, pa.string()),
        "created_at": pa.array(created, time),
        "updated_at": pa.array(updated, time),
    }), each


def duckdb(path):
    """A bit for each rule in each row, rows counted by their bits, repeated ids, and the score of both."""
    import duckdb

    listed = lambda values: ", ".join(f"'{value}'" for value in values)
    rules = {
        "id.not_null": "id IS NULL",
        "email.not_null": "email IS NULL",
        "email.pattern": f"NOT regexp_matches(email, '{PATTERN}')",
        "country.not_null": "country IS NULL",
        "country.one_of": f"country NOT IN ({listed(COUNTRIES)})",
        "amount.range": "amount < 0 OR amount > 100000",
        "quantity.range": "quantity < 1 OR quantity > 1000",
        "status.one_of": f"status NOT IN ({listed(STATES)})",
        "created_at.range": f"created_at < TIMESTAMPTZ '{FIRST_DAY}'",
        "updated_after_created": "NOT (updated_at >= created_at)",
        "free_costs_nothing": "NOT (status <> 'free' OR amount = 0)",
    }
    bits = " | ".join(f"(CASE WHEN {rule} THEN {1 << bit} ELSE 0 END)" for bit, rule in enumerate(rules.values()))
    db = duckdb.connect()
    masks = db.execute(f"SELECT mask, COUNT(*) FROM (SELECT {bits} AS mask FROM read_parquet(?)) GROUP BY mask", [path]).fetchall()
    keys, distinct = db.execute("SELECT COUNT(id), COUNT(DISTINCT id) FROM read_parquet(?)", [path]).fetchone()
    rows = sum(count for _, count in masks)
    failed = {name: sum(count for mask, count in masks if mask >> bit & 1) for bit, name in enumerate(rules)}
    failed["id.unique"] = keys - distinct
    usable = next((count for mask, count in masks if mask == 0), 0) / rows
    score = 100 * usable * (1 - 0.5 * (keys - distinct) / rows)
    print(json.dumps({"failed": failed, "score": score, "rules": len(rules) + 1}))


def gx(path):
    import great_expectations as gx
    import great_expectations.expectations as gxe
    import pandas as pd

    frame = pd.read_parquet(path)
    frame["free_costs_nothing"] = (frame["status"] != "free") | (frame["amount"] == 0)
    rules = {
        "id.not_null": gxe.ExpectColumnValuesToNotBeNull(column="id"),
        "id.unique": gxe.ExpectColumnValuesToBeUnique(column="id"),
        "email.not_null": gxe.ExpectColumnValuesToNotBeNull(column="email"),
        "email.pattern": gxe.ExpectColumnValuesToMatchRegex(column="email", regex=PATTERN),
        "country.not_null": gxe.ExpectColumnValuesToNotBeNull(column="country"),
        "country.one_of": gxe.ExpectColumnValuesToBeInSet(column="country", value_set=COUNTRIES),
        "amount.range": gxe.ExpectColumnValuesToBeBetween(column="amount", min_value=0, max_value=100_000),
        "quantity.range": gxe.ExpectColumnValuesToBeBetween(column="quantity", min_value=1, max_value=1000),
        "status.one_of": gxe.ExpectColumnValuesToBeInSet(column="status", value_set=STATES),
        "created_at.range": gxe.ExpectColumnValuesToBeBetween(column="created_at", min_value=pd.Timestamp(FIRST_DAY)),
        "updated_after_created": gxe.ExpectColumnPairValuesAToBeGreaterThanB(
            column_A="updated_at", column_B="created_at", or_equal=True
        ),
        "free_costs_nothing": gxe.ExpectColumnValuesToBeInSet(column="free_costs_nothing", value_set=[True]),
    }
    context = gx.get_context(mode="ephemeral")
    asset = context.data_sources.add_pandas("file").add_dataframe_asset("orders")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch(batch_parameters={"dataframe": frame})
    suite = gx.ExpectationSuite(name="orders", expectations=list(rules.values()))
    # Which rows broke what, as all others here know.
    form = {"result_format": "COMPLETE", "unexpected_index_column_names": ["id"]}
    results = batch.validate(suite, result_format=form).results
    kind = lambda of: (of.expectation_type, getattr(of, "column", "pair"))
    counts = {}
    for result in results:
        config = result.expectation_config
        counts[config.type, config.kwargs.get("column", "pair")] = result.result["unexpected_count"]
    print(json.dumps({"failed": {name: counts[kind(rule)] for name, rule in rules.items()}, "rules": len(rules)}))


def soda(path):
    import logging
    import os
    import tempfile

    import duckdb

    logging.disable(logging.CRITICAL)
    from soda_core.contracts import verify_contract_locally

    folder = tempfile.mkdtemp()
    database = os.path.join(folder, "orders.db")
    with duckdb.connect(database) as db:
        db.execute(f"CREATE VIEW orders AS SELECT * FROM read_parquet('{path}')")
    missing, unique = {"missing": {}}, {"duplicate": {}}
    invalid = lambda **of: {"invalid": of}
    query = lambda where: {"failed_rows": {"expression": where}}
    column = lambda name, *checks: {"name": name, "checks": list(checks)}
    contract = {
        "dataset": "bench/main/orders",
        "columns": [
            column("id", missing, unique),
            column("email", missing, invalid(valid_format={"regex": PATTERN, "name": "email"})),
            column("country", missing, invalid(valid_values=COUNTRIES)),
            column("amount", invalid(valid_min=0, valid_max=100_000)),
            column("quantity", invalid(valid_min=1, valid_max=1000)),
            column("status", invalid(valid_values=STATES)),
            column("created_at", {"failed_rows": {"expression": f"created_at < TIMESTAMPTZ '{FIRST_DAY}'"}}),
        ],
        "checks": [
            {"failed_rows": {"qualifier": "a", "expression": "NOT (updated_at >= created_at)"}},
            {"failed_rows": {"qualifier": "b", "expression": "NOT (status <> 'free' OR amount = 0)"}},
        ],
    }
    source = {"type": "duckdb", "name": "bench", "connection": {"database": database}}
    files = {}
    for name, body in (("contract", contract), ("source", source)):
        files[name] = os.path.join(folder, f"{name}.yml")
        # JSON is YAML.
        Path(files[name]).write_text(json.dumps(body))
    result = verify_contract_locally(data_source_file_path=files["source"], contract_file_path=files["contract"])
    checks = [check for one in result.contract_verification_results for check in one.check_results]
    order = ["id.not_null", "id.unique", "email.not_null", "email.pattern", "country.not_null", "country.one_of"]
    order += ["amount.range", "quantity.range", "status.one_of", "created_at.range"]
    table = ["updated_after_created", "free_costs_nothing"]
    # Soda lists the checks of the dataset first.
    names = table + order if checks[0].check.column_name is None else order + table
    kinds = {"not_null": "missing_count", "unique": "duplicate_count", "pattern": "invalid_count", "one_of": "invalid_count"}
    kinds |= {"amount.range": "invalid_count", "quantity.range": "invalid_count"}
    key = lambda name: kinds.get(name) or kinds.get(name.split(".")[-1]) or "failed_rows_count"
    found = {name: int((check.diagnostic_metric_values or {}).get(key(name)) or 0) for name, check in zip(names, checks)}
    print(json.dumps({"failed": found, "rules": len(checks)}))


def pandera(path):
    import datetime

    import pandera.polars as pa
    import polars as pl

    first = datetime.datetime.fromisoformat(FIRST_DAY)
    text = pl.String
    time = pl.Datetime("us", "UTC")
    schema = pa.DataFrameSchema(
        {
            "id": pa.Column(text, nullable=False, unique=True),
            "email": pa.Column(text, pa.Check.str_matches(PATTERN), nullable=False),
            "country": pa.Column(text, pa.Check.isin(COUNTRIES), nullable=False),
            "amount": pa.Column(pl.Float64, pa.Check.in_range(0, 100_000), nullable=True),
            "quantity": pa.Column(pl.Int64, pa.Check.in_range(1, 1000), nullable=True),
            "status": pa.Column(text, pa.Check.isin(STATES), nullable=True),
            "created_at": pa.Column(time, pa.Check.ge(first), nullable=True),
            "updated_at": pa.Column(time, nullable=True),
        },
        checks=[
            pa.Check(lambda data: data.lazyframe.select(pl.col("updated_at") >= pl.col("created_at")), name="after"),
            pa.Check(lambda data: data.lazyframe.select((pl.col("status") != "free") | (pl.col("amount") == 0)), name="free"),
        ],
    )
    failed = {}
    try:
        schema.validate(pl.read_parquet(path), lazy=True)
    except pa.errors.SchemaErrors as errors:
        for found in errors.failure_cases.group_by("column", "check").len().iter_rows(named=True):
            name, check, rows = found["column"], found["check"], found["len"]
            rule = {"after": "updated_after_created", "free": "free_costs_nothing"}.get(check)
            if rule is None:
                kinds = {"not_null": "not_null", "field_un": "unique", "str_matc": "pattern", "isin": "one_of"}
                rule = f"{name}.{next((kind for key, kind in kinds.items() if check.startswith(key[:4])), 'range')}"
            failed[rule] = failed.get(rule, 0) + rows
    print(json.dumps({"failed": failed, "rules": 12}))


if __name__ == "__main__":
    command, path, *more = sys.argv[1:]
    if command == "generate":
        generate(path, int(more[0]))
    else:
        {"duckdb": duckdb, "gx": gx, "soda": soda, "pandera": pandera}[command](path)
