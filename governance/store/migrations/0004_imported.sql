-- What other tools found: one row for each dataset of each of their runs.
CREATE TABLE imported (
    tool    TEXT NOT NULL,
    run     TEXT NOT NULL,
    -- As the tool names it, or as whoever imported it did.
    dataset TEXT NOT NULL,
    at      TEXT NOT NULL,
    -- JSON: the scan.
    body    TEXT NOT NULL,
    PRIMARY KEY (tool, run, dataset)
);
CREATE INDEX imported_by_dataset ON imported (dataset, at, tool, run);
