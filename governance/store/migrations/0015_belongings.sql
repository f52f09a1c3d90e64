-- What the store tells of: the lake whose commits the told marks number, and the log whose dead
-- letters are in the index. Others have the same names in them.
CREATE TABLE belongings (
    -- lake, log
    kind  TEXT NOT NULL PRIMARY KEY,
    id    TEXT NOT NULL,
    -- Where it was.
    place TEXT NOT NULL
);
