-- Longer spans, summed from the minutes. The current one goes on until its end.
CREATE VIEW v_kpi_15m AS
SELECT
  date_bin('15 minutes', window_start, timestamp '2000-01-01') AS window_start,
  date_bin('15 minutes', window_start, timestamp '2000-01-01') + interval '15 minutes' AS window_end,
  sum(revenue) AS revenue,
  sum(orders_created) AS orders_created,
  sum(payment_initiated) AS payment_initiated,
  sum(payment_success) AS payment_success,
  sum(payment_failed) AS payment_failed,
  sum(order_cancelled) AS order_cancelled,
  round(100.0 * sum(payment_success) / nullif(sum(payment_success + payment_failed), 0), 2)
    AS success_rate,
  max(processed_at) AS processed_at
FROM kpi_1m
GROUP BY 1, 2;

CREATE VIEW v_kpi_1h AS
SELECT
  date_trunc('hour', window_start) AS window_start,
  date_trunc('hour', window_start) + interval '1 hour' AS window_end,
  sum(revenue) AS revenue,
  sum(orders_created) AS orders_created,
  sum(payment_initiated) AS payment_initiated,
  sum(payment_success) AS payment_success,
  sum(payment_failed) AS payment_failed,
  sum(order_cancelled) AS order_cancelled,
  round(100.0 * sum(payment_success) / nullif(sum(payment_success + payment_failed), 0), 2)
    AS success_rate,
  max(processed_at) AS processed_at
FROM kpi_1m
GROUP BY 1, 2;

CREATE VIEW v_kpi_24h AS
SELECT
  date_trunc('day', window_start) AS window_start,
  date_trunc('day', window_start) + interval '1 day' AS window_end,
  sum(revenue) AS revenue,
  sum(orders_created) AS orders_created,
  sum(payment_initiated) AS payment_initiated,
  sum(payment_success) AS payment_success,
  sum(payment_failed) AS payment_failed,
  sum(order_cancelled) AS order_cancelled,
  round(100.0 * sum(payment_success) / nullif(sum(payment_success + payment_failed), 0), 2)
    AS success_rate,
  max(processed_at) AS processed_at
FROM kpi_1m
GROUP BY 1, 2;

-- The minutes that are done as far as is known: no event on time changes them, unless its partition
-- was silent while the others went on.
CREATE VIEW v_kpi_1m_final AS
SELECT * FROM kpi_1m
WHERE window_end <= assay.final_until('ecommerce/stream');
