"""Computes the tables of the pipeline `github_events` again and compares them row by row.

    python github_events.py RAW.jsonl[.gz] CATALOG.db
    python github_events.py RAW.jsonl bronze.github_events=…/metadata.json silver.github_events=…

Written from the specification of the pipeline, never from its models: the file is read with
Python's own JSON parser, the tables are computed by DuckDB and read by pyiceberg. Lines and rows
that the specification rejects are left out here too, so a dirty file can be compared as well.
Exit code 0: equal; 1: different; 2: could not be compared.
"""

import argparse
import json
import sys

import duckdb
import pyarrow as pa

import lake
from github_events_expected import compute
from github_events_raw import canonical, read_raw

LONGEST_LIST = 5

# Columns in their order, with those marked that a run makes anew: they are checked, not compared.
BRONZE = """id type public actor_id actor_login actor_gravatar_id actor_url actor_avatar_url repo_id
    repo_name repo_url payload created_at ingestion_timestamp* ingestion_date* kafka_partition*
    kafka_offset* trace_id*"""
PARSED = """event_id event_type created_at public actor_id actor_login actor_url actor_avatar_url
    repo_id repo_name repo_url payload_action payload_ref payload_ref_type push_size
    push_distinct_size push_head_sha pull_request_number pull_request_id pull_request_state
    pull_request_title pull_request_merge pull_request_merge_at issue_number issue_title issue_state
    ingestion_date* processed_at*"""
ENRICHED = f"""{PARSED} repo_owner repo_project event_date event_hour branch_or_tag_name
    is_main_branch event_category activity_score"""
ACTIVITY = """actor_id actor_login activity_date total_events unique_events repos_contributed_to
    push_events pull_request_events issue_events issue_comment_events watch_events fork_events
    create_events delete_events code_change_events pull_request_related_events issue_related_events
    social_events total_commits merged_pull_requests main_branch_events total_activity_score
    avg_activity_score public_events private_events most_active_hour top_repo top_repo_event_count
    events_7day_avg commits_7day_avg cumulative_events cumulative_commits user_activity_level
    user_specialization created_at*"""

# table, its columns, what tells its rows apart, what is computed for it
TABLES = [
    ("bronze.github_events", BRONZE, ["id"], "bronze"),
    ("silver.github_events_parsed", PARSED, ["event_id"], "parsed"),
    ("silver.github_events", ENRICHED, ["event_id"], "enriched"),
    ("gold.user_activity", ACTIVITY, ["actor_id", "activity_date"], "activity"),
]


def load(db, name, table):
    """Reads one of our tables into the database, its payload in canonical form."""
    rows = table.scan().to_arrow()
    if "payload" in rows.column_names:
        place = rows.column_names.index("payload")
        texts = (text.as_py() for text in rows["payload"])
        payload = [None if text is None else canonical(json.loads(text)) for text in texts]
        rows = rows.set_column(place, "payload", pa.array(payload, pa.string()))
    ours = "ours_" + name.replace(".", "_")
    db.register("arriving", rows)
    db.execute(f"create table {ours} as select * from arriving")
    db.unregister("arriving")
    return ours, rows.column_names


def differences(db, expected, ours, columns, key):
    """How many rows differ in which way, and the first of them."""
    keys, names = ", ".join(key), ", ".join(columns)
    # Rows with the same key are told apart by their place in one order.
    copy = f"row_number() over (partition by {keys} order by {names})"
    for side, table in (("e", expected), ("o", ours)):
        db.execute(
            f"create or replace temp table {side} as select {names}, {copy} as copy from {table}"
        )
    same = " and ".join(f"e.{name} is not distinct from o.{name}" for name in [*key, "copy"])
    found = []

    def show(what, count, sql):
        found.append(f"{count:,} × {what}, for example ({keys}):")
        some = db.execute(f"select * from ({sql}) order by all limit {LONGEST_LIST}").fetchall()
        found.extend("    " + " | ".join(str(cell)[:120] for cell in row) for row in some)

    for what, one, other in (("missing in ours", "e", "o"), ("only in ours", "o", "e")):
        sql = f"select {keys} from {one} anti join {other} on {same}"
        [count] = db.execute(f"select count(*) from ({sql})").fetchone()
        if count:
            show(what, count, sql)
    others = [name for name in columns if name not in key]
    counts = ", ".join(f"count(*) filter (e.{name} is distinct from o.{name})" for name in others)
    for name, count in zip(
        others, db.execute(f"select {counts} from e join o on {same}").fetchone()
    ):
        if count:
            sql = f"""select {", ".join(f"e.{part}" for part in key)},
                'expected ' || ifnull(e.{name}::text, 'NULL'), 'ours ' || ifnull(o.{name}::text, 'NULL')
                from e join o on {same} where e.{name} is distinct from o.{name}"""
            show(f"another {name}", count, sql)
    return found


# What a run makes anew: present, and of one piece. Each counts the rows for which it is not so.
CHECKS = {
    "bronze.github_events": [
        ("ingestion_timestamp is there", "ingestion_timestamp is null"),
        (
            "ingestion_date is its UTC day",
            "ingestion_date is distinct from (ingestion_timestamp at time zone 'UTC')::date",
        ),
        ("kafka_partition is there", "kafka_partition is null or kafka_partition < 0"),
        ("kafka_offset is there", "kafka_offset is null or kafka_offset < 0"),
        ("trace_id is there", "trace_id is null or trace_id = ''"),
        ("trace_id is there once", "count(*) over (partition by trace_id) > 1"),
    ],
    "silver.github_events_parsed": [
        (
            "ingestion_date is that of bronze",
            "(event_id, ingestion_date) not in (select (id, ingestion_date) from ours_bronze_github_events)",
        ),
        ("processed_at is there", "processed_at is null"),
        ("processed_at is not before created_at", "created_at > processed_at"),
    ],
    "silver.github_events": [
        (
            "ingestion_date is that of bronze",
            "(event_id, ingestion_date) not in (select (id, ingestion_date) from ours_bronze_github_events)",
        ),
        ("processed_at is there", "processed_at is null"),
    ],
    "gold.user_activity": [("created_at is there", "created_at is null")],
}


def broken_checks(db, name, ours):
    found = []
    for what, condition in CHECKS[name]:
        sql = f"select count(*) from (select 1 from {ours} t qualify {condition})"
        if " over " not in condition:
            sql = f"select count(*) from {ours} t where {condition}"
        [count] = db.execute(sql).fetchone()
        if count:
            found.append(f"{count:,} × not so: {what}")
    return found


def newest_run(db):
    """The time up to which an event is not in the future: the newest run of silver."""
    [newest] = db.execute(
        "select ifnull(max(processed_at), now())::text from ours_silver_github_events_parsed"
    ).fetchone()
    return newest


def tell_rejects(db, lines, rejected):
    """Prints where the lines of the file went."""
    judged = db.execute(
        "select why, count(*) from judged where why is not null group by why order by why"
    )
    rows = [["accepted into bronze", lines - rejected.total()]]
    rows += [[f"not accepted: {why}", count] for why, count in sorted(rejected.items())]
    rows += [[f"not in silver: {why}", count] for why, count in judged.fetchall()]
    [good] = db.execute("select count(*) from judged where why is null").fetchone()
    [once] = db.execute("select count(*) from parsed").fetchone()
    [scored] = db.execute("select count(*) from enriched").fetchone()
    rows += [["not in silver: duplicate", good - once]] if good > once else []
    rows += (
        [["not in the second table of silver: negative score", once - scored]]
        if once > scored
        else []
    )
    lake.print_table(["lines of the file", "count"], [["read", lines], *rows])
    print()


def compare(db, tables):
    """Prints how each table compares; whether all are equal."""
    rows, found = [], []
    for name, wanted, key, expected in TABLES:
        ours = "ours_" + name.replace(".", "_")
        wanted = wanted.split()
        columns = [column for column in wanted if not column.endswith("*")]
        has = [field.name for field in tables[name].schema().fields]
        differs = []
        if has != [column.rstrip("*") for column in wanted]:
            differs.append(f"the columns are not those specified, in their order: {has}")
        columns = [column for column in columns if column in has]
        differs += differences(db, expected, ours, columns, key)
        if not set(column.rstrip("*") for column in wanted) - set(has):
            differs += broken_checks(db, name, ours)
        counts = [
            db.execute(f"select count(*) from {table}").fetchone()[0] for table in (expected, ours)
        ]
        rows.append(
            [
                name,
                *counts,
                len(columns),
                len(wanted) - len(columns),
                "DIFFERENT" if differs else "equal",
            ]
        )
        found += [f"{name}: {line}" if not line.startswith(" ") else line for line in differs]
    lake.print_table(
        ["table", "rows expected", "rows of ours", "columns compared", "checked", ""], rows
    )
    for line in found:
        print(line)
    return not found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("raw", metavar="RAW.jsonl[.gz]")
    lake.add_arguments(parser)
    arguments = parser.parse_args()
    tables = lake.open_tables(arguments)
    lacking = [name for name, *_ in TABLES if name not in tables]
    if lacking:
        print(f"the lake has no {', '.join(lacking)}", file=sys.stderr)
        return 2

    db = duckdb.connect()
    db.execute("set timezone = 'UTC'")
    for name, *_ in TABLES:
        load(db, name, tables[name])
    raw, lines, rejected = read_raw(arguments.raw)
    compute(db, raw, newest_run(db))
    tell_rejects(db, lines, rejected)
    equal = compare(db, tables)
    print("equal" if equal else "NOT equal")
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
