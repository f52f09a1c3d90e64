SELECT
  no,
  kind,
  buyer['number'] AS buyer,
  buyer['city'] AS city,
  details,
  placed,
  now() AS landed_at,
  CAST(now() AS DATE) AS landed_on,
  _partition AS part,
  _offset AS place,
  trace
FROM log.shop_orders
