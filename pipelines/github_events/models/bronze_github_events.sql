-- As it came, with the place in the log where it was read.
SELECT
  id,
  type,
  public,
  actor['id'] AS actor_id,
  actor['login'] AS actor_login,
  actor['gravatar_id'] AS actor_gravatar_id,
  actor['url'] AS actor_url,
  actor['avatar_url'] AS actor_avatar_url,
  repo['id'] AS repo_id,
  repo['name'] AS repo_name,
  repo['url'] AS repo_url,
  payload,
  created_at,
  now() AS ingestion_timestamp,
  CAST(now() AS DATE) AS ingestion_date,
  _partition AS kafka_partition,
  _offset AS kafka_offset,
  trace_id
FROM log.raw_metrics_avro
