-- 1 for a batch of dead letters that came back: how good those are is not how good the dataset is.
ALTER TABLE reports ADD COLUMN replay BIGINT NOT NULL DEFAULT 0;

-- Dead letters that are sent back: who wants which, and how it gets on.
CREATE TABLE replays (
    id         TEXT   NOT NULL PRIMARY KEY,
    pipeline   TEXT   NOT NULL,
    stage      TEXT   NOT NULL,
    -- waiting, running, stopped, failed, complete or cancelled.
    state      TEXT   NOT NULL,
    -- 1 when nothing of it may take effect.
    dry        BIGINT NOT NULL,
    who        TEXT   NOT NULL,
    reason     TEXT   NOT NULL,
    -- JSON: which letters were asked for, and how they are to be sent.
    wanted     TEXT   NOT NULL,
    options    TEXT   NOT NULL,
    created_at TEXT   NOT NULL,
    beat_at    TEXT,
    ended_at   TEXT,
    -- Who carries it out.
    worker     TEXT,
    letters    BIGINT NOT NULL,
    -- Letters that fit, and are in flight for another job.
    skipped    BIGINT NOT NULL,
    message    TEXT
);
CREATE INDEX replays_by_time ON replays (created_at, id);

-- The letters of a job, in the order in which they are sent.
CREATE TABLE replay_letters (
    job     TEXT   NOT NULL,
    number  BIGINT NOT NULL,
    id      TEXT   NOT NULL,
    attempt BIGINT NOT NULL,
    draft   TEXT   NOT NULL,
    topic   TEXT   NOT NULL,
    part    BIGINT NOT NULL,
    place   BIGINT NOT NULL,
    PRIMARY KEY (job, number)
);
CREATE INDEX replay_letters_by_id ON replay_letters (id, job);
