-- What the rows of a run look like: the profiles of its batches, merged.
CREATE TABLE profiles (
    dataset   TEXT   NOT NULL,
    run       TEXT   NOT NULL,
    -- Of the last batch.
    judged_at TEXT   NOT NULL,
    batches   BIGINT NOT NULL,
    -- JSON: the profile.
    body      TEXT   NOT NULL,
    PRIMARY KEY (dataset, run)
);
CREATE INDEX profiles_by_time ON profiles (dataset, judged_at, run);

-- How old the newest row of a batch was, for the rules that compare it with earlier batches.
CREATE TABLE lags (
    draft     TEXT NOT NULL,
    rule      TEXT NOT NULL,
    dataset   TEXT NOT NULL,
    judged_at TEXT NOT NULL,
    seconds   DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (draft, rule)
);
CREATE INDEX lags_by_rule ON lags (dataset, rule, judged_at, draft);
