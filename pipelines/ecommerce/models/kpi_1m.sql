-- What the new events add to their minutes. Amounts are summed as they are, whatever the currency.
SELECT
  window_start,
  window_end,
  sum(CASE WHEN event_type = 'payment_success' THEN amount ELSE 0 END) AS revenue,
  count(*) FILTER (WHERE event_type = 'order_created') AS orders_created,
  count(*) FILTER (WHERE event_type = 'payment_initiated') AS payment_initiated,
  count(*) FILTER (WHERE event_type = 'payment_success') AS payment_success,
  count(*) FILTER (WHERE event_type = 'payment_failed') AS payment_failed,
  count(*) FILTER (WHERE event_type = 'order_cancelled') AS order_cancelled,
  now() AS processed_at
FROM silver.events_clean
GROUP BY window_start, window_end
