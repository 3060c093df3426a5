-- Avro orders and customers, with their schemas in a registry. orders.py fills in what is in braces.
CREATE TABLE orders (
  order_id BIGINT,
  customer_id BIGINT,
  amount DECIMAL(10, 2),
  ordered_at TIMESTAMP(3),
  WATERMARK FOR ordered_at AS ordered_at - INTERVAL '2' SECOND
) WITH (
  'connector' = 'kafka',
  'topic' = '${topics}-orders',
  'properties.bootstrap.servers' = '${brokers}',
  'scan.startup.mode' = 'earliest-offset',
  'format' = 'avro-confluent',
  'avro-confluent.url' = '${registry}'
);

-- What each customer was from when on: a compacted topic, whose key is the customer.
CREATE TABLE customers (
  customer_id BIGINT,
  country STRING,
  updated_at TIMESTAMP(3),
  WATERMARK FOR updated_at AS updated_at,
  PRIMARY KEY (customer_id) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka',
  'topic' = '${topics}-customers',
  'properties.bootstrap.servers' = '${brokers}',
  'key.format' = 'avro-confluent',
  'key.avro-confluent.url' = '${registry}',
  'value.format' = 'avro-confluent',
  'value.avro-confluent.url' = '${registry}'
);

-- Each row once, for readers of committed messages.
CREATE TABLE revenue (
  window_start TIMESTAMP(3),
  country STRING,
  orders BIGINT,
  revenue DECIMAL(20, 2)
) WITH (
  'connector' = 'kafka',
  'topic' = '${topics}-revenue',
  'properties.bootstrap.servers' = '${brokers}',
  'scan.startup.mode' = 'earliest-offset',
  'format' = 'json',
  'sink.delivery-guarantee' = 'exactly-once',
  'sink.transactional-id-prefix' = '${topics}-revenue'
);
