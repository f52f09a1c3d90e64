"""Reads the messages of a topic from the embedded log, as any program with Avro does.

    python messages.py LOG.db TOPIC

Prints one line of JSON: how many messages and records there are, and the ids of all records.
"""

import io
import json
import sqlite3
import sys

import fastavro


def main():
    log, topic = sys.argv[1:]
    with sqlite3.connect(f"file:{log}?mode=ro", uri=True) as connection:
        lanes = connection.execute(
            "SELECT lane.id FROM lane JOIN topic ON topic.id = lane.topic WHERE topic.name = ?", [topic]
        ).fetchall()
        messages = [
            value
            for (lane,) in lanes
            for (value,) in connection.execute(
                "SELECT value FROM record WHERE id >> 48 = ? ORDER BY id", [lane]
            )
        ]
    records = [record for message in messages for record in fastavro.reader(io.BytesIO(message))]
    ids = [record["id"] for record in records]
    payloads = sum(isinstance(json.loads(record["payload"] or "null"), dict) for record in records)
    print(json.dumps({"messages": len(messages), "payloads": payloads, "ids": ids}))


if __name__ == "__main__":
    main()
