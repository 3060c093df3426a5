-- Revenue by country in windows of ten seconds, each order with its customer as of its time.
CREATE VIEW enriched AS
SELECT o.order_id, o.amount, o.ordered_at, c.country
FROM orders AS o
JOIN customers FOR SYSTEM_TIME AS OF o.ordered_at AS c ON o.customer_id = c.customer_id;

INSERT INTO revenue
SELECT window_start, country, COUNT(*), CAST(SUM(amount) AS DECIMAL(20, 2))
FROM TABLE(TUMBLE(TABLE enriched, DESCRIPTOR(ordered_at), INTERVAL '10' SECOND))
GROUP BY window_start, window_end, country;
