-- Orders and customers that follow from a number, so that anybody can compute what has to come out.
-- Order n is of customer MOD(n * 7919, 500), over MOD(n * 37, 10000) cents, 20 ms after the one before.
CREATE TABLE numbers (n BIGINT) WITH (
  'connector' = 'datagen', 'fields.n.kind' = 'sequence', 'fields.n.start' = '0',
  'fields.n.end' = '${last_order}', 'rows-per-second' = '${rate}', 'scan.parallelism' = '1');
CREATE TABLE changes (n BIGINT) WITH (
  'connector' = 'datagen', 'fields.n.kind' = 'sequence', 'fields.n.start' = '0',
  'fields.n.end' = '${last_change}', 'rows-per-second' = '1000000', 'scan.parallelism' = '1');

-- All 500 customers at the start, then a change each 100 ms, and one a day later: nothing is left
-- to wait for then.
INSERT INTO customers
SELECT MOD(n, 500), 'country-' || CAST(MOD(n * 31 + n / 500, 7) AS STRING),
  CASE WHEN n < 500 THEN TIMESTAMP '2026-01-01 00:00:00'
       WHEN n = ${last_change} THEN TIMESTAMP '2026-01-02 00:00:00'
       ELSE TIMESTAMPADD(MILLISECOND, CAST((n - 500) * 100 AS INT), TIMESTAMP '2026-01-01 00:00:00') END
FROM changes;

INSERT INTO orders
SELECT n, MOD(n * 7919, 500), CAST(CAST(MOD(n * 37, 10000) AS DECIMAL(10, 2)) / 100 AS DECIMAL(10, 2)),
  TIMESTAMPADD(MILLISECOND, CAST(n * 20 AS INT), TIMESTAMP '2026-01-01 00:00:00')
FROM numbers;
