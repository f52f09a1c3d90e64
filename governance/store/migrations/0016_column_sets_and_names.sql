-- What a job said last of the columns of an output. While it says the same, this row changes and
-- none of `column_ways`: their runs and times are as they were when something else was said.
CREATE TABLE column_sets (
    pipeline TEXT   NOT NULL,
    stage    TEXT   NOT NULL,
    output   TEXT   NOT NULL,
    -- Of all its columns and where they come from, as `column_ways` has it; empty when not every
    -- one of them goes on.
    digest   TEXT   NOT NULL,
    -- 1 when no other way to a column of the output goes on.
    alone    BIGINT NOT NULL,
    -- Since when all of them go; the last run that said so, and when.
    since    TEXT   NOT NULL,
    run      TEXT   NOT NULL,
    last_at  TEXT   NOT NULL,
    PRIMARY KEY (pipeline, stage, output)
);
-- Of the set in which it was said last.
ALTER TABLE column_ways ADD COLUMN digest TEXT;

-- Every name by which events know a dataset, to be searched.
CREATE TABLE names (dataset TEXT NOT NULL PRIMARY KEY);
INSERT INTO names (dataset)
SELECT output FROM ways UNION SELECT input FROM ways UNION SELECT dataset FROM touched;
