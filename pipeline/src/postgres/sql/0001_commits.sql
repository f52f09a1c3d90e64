-- How far each reader has come, slice by slice: moved in the transaction of the rows.
CREATE TABLE assay.positions (
  dataset text NOT NULL,
  reader text NOT NULL,
  slice text NOT NULL,
  mark text NOT NULL,
  moved_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (dataset, reader, slice)
);

-- The row of a dataset is locked by whoever commits, until it has.
CREATE TABLE assay.commit_numbers (
  dataset text PRIMARY KEY,
  last bigint NOT NULL
);

-- The report of each batch, for the stores that follow.
CREATE TABLE assay.commits (
  dataset text NOT NULL,
  number bigint NOT NULL,
  draft text NOT NULL UNIQUE,
  report text NOT NULL,
  committed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (dataset, number)
);

-- Up to when a reader has seen everything, as UTC: the least of its partitions. One in which nothing
-- has come for `idle` does not hold the others back, unless all are silent.
CREATE FUNCTION assay.watermark(of_reader text, idle interval DEFAULT '1 minute')
RETURNS timestamp LANGUAGE sql STABLE AS $$
  SELECT coalesce(min(seen) FILTER (WHERE moved_at > now() - idle), max(seen))
  FROM (
    SELECT moved_at, (mark::jsonb ->> 'event_time')::timestamptz AT TIME ZONE 'UTC' AS seen
    FROM assay.positions WHERE reader = of_reader
  ) AS slices
$$;
