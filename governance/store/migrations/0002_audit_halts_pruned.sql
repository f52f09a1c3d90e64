-- What people did to the data or to what is known of it, and why.
CREATE TABLE audit (
    -- Counts up.
    number  BIGINT NOT NULL PRIMARY KEY,
    at      TEXT   NOT NULL,
    who     TEXT   NOT NULL,
    action  TEXT   NOT NULL,
    subject TEXT   NOT NULL,
    reason  TEXT   NOT NULL,
    -- JSON: whatever belongs to the action.
    details TEXT   NOT NULL
);
CREATE INDEX audit_by_action ON audit (action, number);
CREATE INDEX audit_by_time ON audit (at);

-- Batches that quality halted. Their reports have no commit.
CREATE TABLE halts (
    draft       TEXT NOT NULL PRIMARY KEY,
    pipeline    TEXT NOT NULL,
    stage       TEXT NOT NULL,
    judged_at   TEXT NOT NULL,
    -- When a person let the batch pass.
    accepted_at TEXT,
    -- The draft of the stage's next commit; NULL while the halt is what the stage is stopped by.
    closed_by   TEXT
);
CREATE INDEX halts_by_stage ON halts (pipeline, stage, judged_at, draft);
INSERT INTO halts (draft, pipeline, stage, judged_at, closed_by)
SELECT r.draft, n.pipeline, n.stage, r.judged_at, (
    SELECT later.draft FROM reports later
    WHERE later.dataset = r.dataset AND later.sequence IS NOT NULL
        AND later.judged_at > r.judged_at
    ORDER BY later.judged_at, later.draft LIMIT 1)
FROM reports r JOIN runs n ON n.id = r.run WHERE r.sequence IS NULL;

-- The newest commit of each dataset whose report was pruned. It and those before it were counted.
CREATE TABLE pruned (
    dataset   TEXT NOT NULL PRIMARY KEY,
    judged_at TEXT NOT NULL
);

CREATE INDEX runs_by_time ON runs (ended_at, id);

-- One row: by what name the store is known to others.
CREATE TABLE identity (
    id TEXT NOT NULL PRIMARY KEY
);
