-- Stages that read a topic into a database. How far they are is written there and not here; that
-- they read is known here, so that nothing is deleted before them when the database is not named.
CREATE TABLE database_readers (
    reader TEXT NOT NULL,
    topic  TEXT NOT NULL,
    -- When its last run began.
    at     TEXT NOT NULL,
    PRIMARY KEY (reader, topic)
);
