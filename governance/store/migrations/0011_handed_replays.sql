-- 1 for a job that is left to whichever worker comes for it.
ALTER TABLE replays ADD COLUMN handed BIGINT NOT NULL DEFAULT 0;
-- JSON: who wants it given up, and why; its worker does so where nothing is half done.
ALTER TABLE replays ADD COLUMN wish TEXT;
-- JSON: what the worker found, such as why rows died again.
ALTER TABLE replays ADD COLUMN result TEXT;
