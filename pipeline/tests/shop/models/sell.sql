-- A share that does not come out, because there are no parts, is no sale.
SELECT
  no AS order_no,
  buyer,
  lower(trim(city)) AS city,
  amount,
  amount / coalesce(parts, 1) AS share,
  sold_at,
  CAST(sold_at AS DATE) AS sold_on
FROM bronze.orders
