WITH days AS (
  SELECT city, sold_on AS day, count(*) AS orders, sum(amount) AS revenue
  FROM silver.sales
  GROUP BY city, sold_on
),
history AS (
  SELECT city, day, revenue, true AS fresh FROM days
  UNION ALL
  SELECT city, day, revenue, false AS fresh FROM previous
),
running AS (
  SELECT city, day, fresh, sum(revenue) OVER (PARTITION BY city ORDER BY day) AS revenue_so_far
  FROM history
)
SELECT days.city, days.day, days.orders, days.revenue, running.revenue_so_far
FROM days
JOIN running ON running.city = days.city AND running.day = days.day AND running.fresh
