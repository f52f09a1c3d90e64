-- What has to be sent to others: a row for each event and target, gone when it was delivered.
CREATE TABLE outbox (
    sequence    BIGINT NOT NULL PRIMARY KEY,
    target      TEXT   NOT NULL,
    -- What is sent in order: the job.
    subject     TEXT   NOT NULL,
    event       TEXT   NOT NULL,
    kind        TEXT   NOT NULL,
    enqueued_at TEXT   NOT NULL,
    -- `waiting`, or `parked` until a person looks at it.
    state       TEXT   NOT NULL,
    due_at      TEXT   NOT NULL,
    attempts    BIGINT NOT NULL,
    -- Why the last attempt failed.
    reason      TEXT,
    -- JSON: the event as it is sent.
    body        TEXT   NOT NULL,
    UNIQUE (target, event)
);
CREATE INDEX outbox_by_target ON outbox (target, state, sequence);
CREATE INDEX outbox_by_subject ON outbox (target, state, subject, due_at);

-- The number of the last row that was put in: a number never comes back.
CREATE TABLE outbox_numbers (last BIGINT NOT NULL);
INSERT INTO outbox_numbers (last) VALUES (0);

CREATE TABLE outbox_targets (
    target       TEXT   NOT NULL PRIMARY KEY,
    -- When the store came to know it: what was committed before is not sent there.
    since        TEXT   NOT NULL,
    -- The process that sends, and until when it may without saying so again.
    leased_by    TEXT,
    leased_until TEXT,
    -- Until when nothing is tried, how often in a row it was away, and why.
    held_until   TEXT,
    away         BIGINT NOT NULL,
    reason       TEXT,
    delivered    BIGINT NOT NULL,
    failures     BIGINT NOT NULL,
    last_success_at TEXT
);
