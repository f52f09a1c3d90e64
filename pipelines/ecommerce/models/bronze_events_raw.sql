-- As it came, with the place in the log where it was read.
SELECT
  payload,
  _key AS message_key,
  _header_t_generated AS t_generated,
  _timestamp AS t_kafka_sent,
  _partition AS kafka_partition,
  _offset AS kafka_offset,
  now() AS ingestion_timestamp,
  CAST(now() AS DATE) AS ingestion_date
FROM log.events_raw
