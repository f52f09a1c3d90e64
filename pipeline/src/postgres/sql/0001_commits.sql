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

-- What a stage says of late rows and of silent partitions.
CREATE TABLE assay.readers (
  dataset text NOT NULL,
  reader text NOT NULL,
  late_after interval NOT NULL,
  idle_after interval NOT NULL,
  PRIMARY KEY (dataset, reader)
);

-- Up to when a reader has seen everything, as UTC: the least of its partitions. One in which nothing
-- has come for a while does not hold the others back. When all are silent nobody knows which of them has
-- still something to say, so the least holds.
CREATE FUNCTION assay.watermark(of_reader text)
RETURNS timestamp LANGUAGE sql STABLE AS $$
  SELECT coalesce(min(seen) FILTER (WHERE moved_at > now() - idle_after), min(seen))
  FROM (
    SELECT moved_at, coalesce(idle_after, interval '1 minute') AS idle_after,
      (mark::jsonb ->> 'event_time')::timestamptz AT TIME ZONE 'UTC' AS seen
    FROM assay.positions LEFT JOIN assay.readers USING (dataset, reader) WHERE reader = of_reader
  ) AS slices
$$;

-- What happened before then is late if it comes now, so windows that end there are final.
CREATE FUNCTION assay.final_until(of_reader text)
RETURNS timestamp LANGUAGE sql STABLE AS $$
  SELECT assay.watermark(of_reader) - max(late_after) FROM assay.readers WHERE reader = of_reader
$$;
