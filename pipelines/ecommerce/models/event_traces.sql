-- When an event came through each part of the way. `t_db_written` and the latencies are computed
-- by Postgres, in the transaction.
SELECT
  id AS event_id,
  TRY_CAST(_header_t_generated AS TIMESTAMP) AS t_generated,
  _timestamp AS t_kafka_sent,
  now() AS t_processed
FROM silver.events_clean
