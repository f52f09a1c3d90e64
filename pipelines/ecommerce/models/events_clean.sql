-- `ingest_time` is when the log took the event, so that it is the same whenever the row is made.
SELECT
  id,
  event_at AS event_time,
  event_kind AS event_type,
  order_number AS order_id,
  user_number AS user_id,
  -- To the cent; less than nothing stays so, however little it is.
  CASE
    WHEN amount_paid < 0 AND amount_paid > CAST(-0.01 AS DECIMAL(15, 2))
      THEN CAST(-0.01 AS DECIMAL(15, 2))
    ELSE CAST(amount_paid AS DECIMAL(15, 2))
  END AS amount,
  currency_code AS currency,
  outcome AS status,
  _timestamp AS ingest_time
FROM log.events_raw
