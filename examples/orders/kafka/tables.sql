-- Avro orders and customers, with their schemas in a registry. orders.py fills in what is in braces.
CREATE TABLE orders (
  order_id BIGINT NOT NULL,
  customer_id BIGINT NOT NULL,
  amount DECIMAL(10, 2) NOT NULL,
  ordered_at TIMESTAMP(3) NOT NULL,
  WATERMARK FOR ordered_at AS ordered_at - INTERVAL '2' SECOND
) WITH (
  'connector' = 'kafka',
  'topic' = '${topics}-orders',
  'properties.bootstrap.servers' = '${brokers}',
  'scan.startup.mode' = 'earliest-offset',
  -- A customer's orders are in one partition, and all partitions go on at the same pace: event time
  -- is where the slowest is.
  'key.format' = 'raw',
  'key.fields' = 'customer_id',
  'value.format' = 'avro-confluent',
  'value.avro-confluent.url' = '${registry}'
);

-- What each customer was from when on: a compacted topic, whose key is the customer.
CREATE TABLE customers (
  customer_id BIGINT NOT NULL,
  country STRING NOT NULL,
  updated_at TIMESTAMP(3) NOT NULL,
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
