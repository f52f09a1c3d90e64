"""Reads GitHub events from a file with Python's own JSON parser, and says which lines are none."""

import collections
import gzip
import hashlib
import json
import re

import pyarrow as pa

MAX_EVENT_BYTES = 900_000


class Rejected(Exception):
    """Why a line or row is not in the tables."""


ACTOR = {
    "id": int,
    "login": str,
    "display_login": str,
    "gravatar_id": str,
    "url": str,
    "avatar_url": str,
}
REPO = {"id": int, "name": str, "url": str}
EVENT = {"id": str, "type": str, "actor": dict, "repo": dict, "public": bool, "created_at": str}


def no_constant(name):
    raise Rejected("not JSON")


def typed(value, kind):
    """Whether a value has the type; a bool is no number, and a number fits 64 bits."""
    if kind is int:
        return type(value) is int and -(2**63) <= value < 2**63
    return type(value) is kind


def check_fields(record, fields):
    for name, kind in fields.items():
        if record.get(name) is not None and not typed(record[name], kind):
            raise Rejected(f"{name} of another type")


def accept(line):
    """The event on a line, or why it has none."""
    if len(line) > MAX_EVENT_BYTES:
        raise Rejected("too large")
    try:
        event = json.loads(line.decode("utf-8"), parse_constant=no_constant)
        json.dumps(event, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        raise Rejected("not JSON") from None
    if not isinstance(event, dict):
        raise Rejected("not an object")
    for name in ("id", "type"):
        if event.get(name) is None:
            raise Rejected(f"no {name}")
    check_fields(event, EVENT)
    check_fields(event.get("actor") or {}, ACTOR)
    check_fields(event.get("repo") or {}, REPO)
    if event["id"] == "":
        raise Rejected("empty id")
    return event


PATHS = {
    "payload_action": ("action", str),
    "payload_ref": ("ref", str),
    "payload_ref_type": ("ref_type", str),
    "push_size": ("size", int),
    "push_distinct_size": ("distinct_size", int),
    "push_head_sha": ("head", str),
    "pull_request_number": ("pull_request.number", int),
    "pull_request_id": ("pull_request.id", int),
    "pull_request_state": ("pull_request.state", str),
    "pull_request_title": ("pull_request.title", str),
    "merged": ("pull_request.merged", bool),
    "merged_at": ("pull_request.merged_at", "time"),
    "issue_number": ("issue.number", int),
    "issue_title": ("issue.title", str),
    "issue_state": ("issue.state", str),
}
TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:?\d\d)?")


def extract(payload):
    """The values at the paths, and whether all that are there have the right type."""
    values, good = {}, True
    for name, (path, kind) in PATHS.items():
        value = payload
        for step in path.split("."):
            value = value.get(step) if isinstance(value, dict) else None
        if value is not None:
            right = (
                isinstance(value, str) and TIME.fullmatch(value)
                if kind == "time"
                else typed(value, kind)
            )
            if not right:
                value, good = None, False
        values[name] = value
    return values, good


def canonical(value):
    """The same for two texts of the same JSON value, whatever their spaces and order of keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


LONG, TEXT, BOOL = pa.int64(), pa.string(), pa.bool_()
ARROW = {int: LONG, str: TEXT, bool: BOOL, "time": TEXT}
RAW = pa.schema(
    [("line", LONG), ("id", TEXT), ("type", TEXT), ("public", BOOL), ("actor_id", LONG)]
    + [(f"actor_{name}", TEXT) for name in ("login", "gravatar_id", "url", "avatar_url")]
    + [
        ("repo_id", LONG),
        ("repo_name", TEXT),
        ("repo_url", TEXT),
        ("payload", TEXT),
        ("created_at", TEXT),
    ]
    + [("convertible", BOOL)]
    + [(name, ARROW[kind]) for name, (_, kind) in PATHS.items()]
)


def read_raw(path):
    """The accepted events as a table, and how many lines were not, by reason."""
    columns = {name: [] for name in RAW.names}
    rejected = collections.Counter()
    lines = 0
    with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
        for number, line in enumerate(file):
            line = line.rstrip(b"\r\n")
            if not line.strip():
                continue
            lines += 1
            try:
                event = accept(line)
            except Rejected as why:
                rejected[str(why)] += 1
                continue
            actor, repo, payload = (
                event.get("actor") or {},
                event.get("repo") or {},
                event.get("payload"),
            )
            values, good = extract(payload)
            values.update(line=number, convertible=good)
            values.update(
                {name: event.get(name) for name in ("id", "type", "public", "created_at")}
            )
            values.update({f"actor_{name}": actor.get(name) for name in ACTOR})
            values.update({f"repo_{name}": repo.get(name) for name in REPO})
            values["payload"] = None if payload is None else canonical(payload)
            for name, column in columns.items():
                column.append(values[name])
    return pa.table(columns, schema=RAW), lines, rejected
