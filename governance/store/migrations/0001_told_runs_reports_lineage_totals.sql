-- Only TEXT, BIGINT and DOUBLE PRECISION, and keys made by the program, so that SQLite and
-- PostgreSQL take the same file. Times are RFC 3339 in UTC with nine decimals: they sort as text.

-- How far each target's commits have been taken in.
CREATE TABLE told (
    target   TEXT   NOT NULL PRIMARY KEY,
    sequence BIGINT NOT NULL,
    snapshot BIGINT NOT NULL,
    draft    TEXT   NOT NULL
);

CREATE TABLE runs (
    id           TEXT   NOT NULL PRIMARY KEY,
    pipeline     TEXT   NOT NULL,
    stage        TEXT   NOT NULL,
    started_at   TEXT   NOT NULL,
    -- 1 when the run was asked for metrics.
    measured     BIGINT NOT NULL,
    status       TEXT   NOT NULL,
    heartbeat_at TEXT   NOT NULL,
    ended_at     TEXT,
    batches      BIGINT NOT NULL,
    -- JSON: where its rows went, once it has ended.
    counts       TEXT   NOT NULL,
    message      TEXT,
    -- JSON: the whole run.
    body         TEXT   NOT NULL
);
CREATE INDEX runs_by_start ON runs (started_at, id);
CREATE INDEX runs_by_stage ON runs (pipeline, stage, started_at, id);
CREATE INDEX runs_by_end ON runs (pipeline, stage, measured, status, ended_at);
CREATE INDEX runs_by_heartbeat ON runs (status, heartbeat_at);

CREATE TABLE reports (
    draft         TEXT   NOT NULL PRIMARY KEY,
    run           TEXT   NOT NULL,
    dataset       TEXT   NOT NULL,
    judged_at     TEXT   NOT NULL,
    score         DOUBLE PRECISION,
    -- NULL when quality was not judged.
    verdict       TEXT,
    -- NULL when the batch was halted: it has no commit.
    sequence      BIGINT,
    snapshot      BIGINT,
    rows_read     BIGINT NOT NULL,
    rows_written  BIGINT NOT NULL,
    rows_rejected BIGINT NOT NULL,
    rows_filtered BIGINT NOT NULL,
    duplicates    BIGINT NOT NULL,
    -- JSON: the whole report.
    body          TEXT   NOT NULL
);
CREATE INDEX reports_by_dataset ON reports (dataset, judged_at, draft);
CREATE INDEX reports_by_time ON reports (judged_at, draft);
CREATE INDEX reports_by_run ON reports (run, judged_at, draft);

CREATE TABLE events (
    id       TEXT NOT NULL PRIMARY KEY,
    run      TEXT NOT NULL,
    kind     TEXT NOT NULL,
    at       TEXT NOT NULL,
    -- JSON arrays of dataset names.
    inputs   TEXT NOT NULL,
    outputs  TEXT NOT NULL,
    -- JSON: the event as it is sent.
    body     TEXT NOT NULL
);
CREATE INDEX events_by_kind ON events (kind, at, id);
CREATE INDEX events_by_time ON events (at, id);
CREATE INDEX events_by_run ON events (run, at, id);

-- Which dataset was made from which, kept while events come in.
CREATE TABLE edges (
    input         TEXT NOT NULL,
    output        TEXT NOT NULL,
    pipeline      TEXT NOT NULL,
    stage         TEXT NOT NULL,
    -- The last run that went this way.
    run           TEXT NOT NULL,
    first_seen_at TEXT NOT NULL,
    last_seen_at  TEXT NOT NULL,
    PRIMARY KEY (input, output, pipeline, stage)
);

CREATE TABLE totals (
    name   TEXT NOT NULL,
    -- JSON object with sorted keys.
    labels TEXT NOT NULL,
    value  DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (name, labels)
);
