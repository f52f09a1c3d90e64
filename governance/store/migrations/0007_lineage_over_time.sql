-- A run as its lineage events tell of it, ours and those of others.
CREATE TABLE lineage_runs (
    id         TEXT NOT NULL PRIMARY KEY,
    -- Namespace and name of the job, where it is not ours.
    pipeline   TEXT NOT NULL,
    stage      TEXT NOT NULL,
    -- running, complete, failed, aborted; stated when a job was described and nothing ran.
    status     TEXT NOT NULL,
    started_at TEXT NOT NULL,
    ended_at   TEXT,
    -- Of its last event.
    last_at    TEXT NOT NULL,
    -- The run that it is a part of.
    parent     TEXT
);
CREATE INDEX lineage_runs_by_job ON lineage_runs (pipeline, stage, started_at);
CREATE INDEX lineage_runs_by_time ON lineage_runs (last_at, id);

-- What a run read (in) and wrote (out), gathered from all its events.
CREATE TABLE touched (
    run     TEXT   NOT NULL,
    side    TEXT   NOT NULL,
    dataset TEXT   NOT NULL,
    -- 1 of a file, which is read once: that it is not read again says nothing of its job.
    once    BIGINT NOT NULL,
    PRIMARY KEY (run, side, dataset)
);
CREATE INDEX touched_by_dataset ON touched (dataset, side, run);

-- Two names of one dataset.
CREATE TABLE aliases (
    alias   TEXT NOT NULL,
    dataset TEXT NOT NULL,
    PRIMARY KEY (alias, dataset)
);

-- Which dataset was made from which by what job, and from when until when.
CREATE TABLE ways (
    output   TEXT   NOT NULL,
    input    TEXT   NOT NULL,
    pipeline TEXT   NOT NULL,
    stage    TEXT   NOT NULL,
    since    TEXT   NOT NULL,
    -- When a run of the job completed that did not go this way; NULL while none did.
    until    TEXT,
    -- The last run that went this way, and when.
    run      TEXT   NOT NULL,
    last_at  TEXT   NOT NULL,
    once     BIGINT NOT NULL,
    PRIMARY KEY (output, input, pipeline, stage, since)
);
CREATE INDEX ways_by_input ON ways (input, output);
CREATE INDEX ways_by_job ON ways (pipeline, stage, until);
INSERT INTO ways (output, input, pipeline, stage, since, until, run, last_at, once)
SELECT output, input, pipeline, stage, first_seen_at, NULL, run, last_seen_at,
    CASE WHEN input LIKE 'file %' THEN 1 ELSE 0 END FROM edges;

CREATE TABLE column_ways (
    output        TEXT   NOT NULL,
    -- `*` when it is all of the output's rows.
    output_column TEXT   NOT NULL,
    input         TEXT   NOT NULL,
    input_column  TEXT   NOT NULL,
    pipeline      TEXT   NOT NULL,
    stage         TEXT   NOT NULL,
    -- 1 when values come from it, 0 when it decides which values do.
    direct        BIGINT NOT NULL,
    -- identity, aggregation, filter, …
    how           TEXT   NOT NULL,
    since         TEXT   NOT NULL,
    until         TEXT,
    run           TEXT   NOT NULL,
    last_at       TEXT   NOT NULL,
    PRIMARY KEY (output, output_column, input, input_column, pipeline, stage, since)
);
CREATE INDEX column_ways_by_input ON column_ways (input, input_column);
CREATE INDEX column_ways_by_job ON column_ways (pipeline, stage, output);
