-- What the topics of dead letters say, taken in so that no question has to read them. Never the
-- truth: it can be made again from the topics.

-- How far each partition was taken in.
CREATE TABLE letter_marks (
    topic TEXT   NOT NULL,
    part  BIGINT NOT NULL,
    next  BIGINT NOT NULL,
    PRIMARY KEY (topic, part)
);

-- What letters have in common that died of the same.
CREATE TABLE letter_causes (
    fingerprint TEXT NOT NULL PRIMARY KEY,
    topic       TEXT NOT NULL,
    dialect     TEXT NOT NULL,
    -- pipeline/stage; what follows is NULL where the letter does not say it.
    stage       TEXT,
    dataset     TEXT,
    reason      TEXT,
    -- JSON array of names.
    rules       TEXT NOT NULL,
    class       TEXT,
    -- The connector or group that wrote it, where it was not us.
    wrote       TEXT,
    -- What the first of them says.
    detail      TEXT
);

CREATE TABLE letters (
    id              TEXT   NOT NULL,
    attempt         BIGINT NOT NULL,
    -- Empty where there is none.
    draft           TEXT   NOT NULL,
    topic           TEXT   NOT NULL,
    part            BIGINT NOT NULL,
    place           BIGINT NOT NULL,
    -- void, open, older (another letter of the same id counts) or closed.
    state           TEXT   NOT NULL,
    -- How, by which draft, for which job and when it was closed.
    fate            TEXT,
    closed_by       TEXT,
    job             TEXT,
    closed_at       TEXT,
    fingerprint     TEXT   NOT NULL,
    run             TEXT,
    detail          TEXT,
    contract        TEXT,
    origin          TEXT,
    source_topic    TEXT,
    source_part     BIGINT,
    source_place    BIGINT,
    failed_at       TEXT   NOT NULL,
    first_failed_at TEXT   NOT NULL,
    -- Rows that it stands for.
    rows_held       BIGINT NOT NULL,
    payload_kind    TEXT,
    payload_bytes   BIGINT NOT NULL,
    PRIMARY KEY (id, attempt, draft)
);
CREATE INDEX letters_by_age ON letters (state, failed_at, id, fingerprint);
CREATE INDEX letters_by_cause ON letters (state, fingerprint, failed_at, rows_held);
CREATE INDEX letters_by_place ON letters (topic, part, place);
CREATE INDEX letters_by_draft ON letters (draft);

-- Drafts that were committed, and where that is said.
CREATE TABLE letter_drafts (
    draft TEXT   NOT NULL PRIMARY KEY,
    topic TEXT   NOT NULL,
    part  BIGINT NOT NULL,
    place BIGINT NOT NULL
);

-- What closes letters, once its draft is committed; at once where it has none (empty).
CREATE TABLE letter_closings (
    id    TEXT   NOT NULL,
    draft TEXT   NOT NULL,
    at    TEXT   NOT NULL,
    fate  TEXT   NOT NULL,
    job   TEXT,
    topic TEXT   NOT NULL,
    part  BIGINT NOT NULL,
    place BIGINT NOT NULL,
    PRIMARY KEY (id, draft, at)
);
CREATE INDEX letter_closings_by_draft ON letter_closings (draft);
CREATE INDEX letter_closings_by_place ON letter_closings (topic, part, place);
