-- Important stock identification
SELECT ps_partkey, SUM(ps_supplycost * ps_availqty) AS val
FROM partsupp, supplier, nation
WHERE ps_suppkey = s_suppkey AND s_nationkey = n_nationkey AND n_name IN ('MOROCCO', 'KENYA')
GROUP BY ps_partkey
HAVING SUM(ps_supplycost * ps_availqty) > (
  SELECT SUM(ps_supplycost * ps_availqty) * 0.006
  FROM partsupp, supplier, nation
  WHERE ps_suppkey = s_suppkey AND s_nationkey = n_nationkey AND n_name IN ('MOROCCO', 'KENYA'))
ORDER BY val DESC
