-- How good the rows of each window of time are, summed up over the batches that had some of them.
CREATE TABLE window_scores (
    dataset  TEXT   NOT NULL,
    starts   TEXT   NOT NULL,
    ends     TEXT   NOT NULL,
    rows     BIGINT NOT NULL,
    rejected BIGINT NOT NULL,
    -- What broken rules took from the rows: one for each that is worth nothing.
    lost     DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (dataset, starts, ends)
);
