-- Stages that a person has stopped for a while; who did so before is in the audit.
CREATE TABLE pauses (
    pipeline TEXT NOT NULL,
    stage    TEXT NOT NULL,
    at       TEXT NOT NULL,
    who      TEXT NOT NULL,
    reason   TEXT NOT NULL,
    PRIMARY KEY (pipeline, stage)
);
