SELECT
  anonymous_id,
  event,
  event_time,
  user_id,
  payload,
  _key AS message_key,
  _topic AS topic,
  _partition AS kafka_partition,
  _offset AS kafka_offset,
  _timestamp AS logged_at,
  now() AS ingestion_timestamp,
  CAST(now() AS DATE) AS ingestion_date
FROM log.topic_clickstream
