-- Who may use the services: of each key only the hash.
CREATE TABLE keys (
    -- SHA-256 of the key, in hexadecimal.
    sha256     TEXT NOT NULL PRIMARY KEY,
    name       TEXT NOT NULL,
    role       TEXT NOT NULL,
    made_at    TEXT NOT NULL,
    made_by    TEXT NOT NULL,
    -- NULL while the key opens the door.
    revoked_at TEXT,
    revoked_by TEXT
);
CREATE INDEX keys_by_name ON keys (name, made_at);
