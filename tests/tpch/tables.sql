-- The tables of TPC-H over files. ${DATA} is their folder, ${SUFFIX} what stands behind `.csv`.
CREATE TABLE region (r_regionkey INT NOT NULL, r_name STRING, r_comment STRING)
WITH ('connector' = 'filesystem', 'path' = '${DATA}/region.csv${SUFFIX}', 'format' = 'csv', 'csv.header' = 'true');
CREATE TABLE nation (n_nationkey INT NOT NULL, n_name STRING, n_regionkey INT, n_comment STRING)
WITH ('connector' = 'filesystem', 'path' = '${DATA}/nation.csv${SUFFIX}', 'format' = 'csv', 'csv.header' = 'true');
CREATE TABLE part (
  p_partkey INT NOT NULL, p_name STRING, p_mfgr STRING, p_brand STRING, p_type STRING, p_size INT,
  p_container STRING, p_retailprice DECIMAL(15, 2), p_comment STRING)
WITH ('connector' = 'filesystem', 'path' = '${DATA}/part.csv${SUFFIX}', 'format' = 'csv', 'csv.header' = 'true');
CREATE TABLE supplier (
  s_suppkey INT NOT NULL, s_name STRING, s_address STRING, s_nationkey INT, s_phone STRING,
  s_acctbal DECIMAL(15, 2), s_comment STRING)
WITH ('connector' = 'filesystem', 'path' = '${DATA}/supplier.csv${SUFFIX}', 'format' = 'csv', 'csv.header' = 'true');
CREATE TABLE partsupp (
  ps_partkey INT NOT NULL, ps_suppkey INT NOT NULL, ps_availqty INT,
  ps_supplycost DECIMAL(15, 2), ps_comment STRING)
WITH ('connector' = 'filesystem', 'path' = '${DATA}/partsupp.csv${SUFFIX}', 'format' = 'csv', 'csv.header' = 'true');
CREATE TABLE customer (
  c_custkey INT NOT NULL, c_name STRING, c_address STRING, c_nationkey INT, c_phone STRING,
  c_acctbal DECIMAL(15, 2), c_mktsegment STRING, c_comment STRING)
WITH ('connector' = 'filesystem', 'path' = '${DATA}/customer.csv${SUFFIX}', 'format' = 'csv', 'csv.header' = 'true');
CREATE TABLE orders (
  o_orderkey BIGINT NOT NULL, o_custkey INT NOT NULL, o_orderstatus STRING,
  o_totalprice DECIMAL(15, 2), o_orderdate DATE, o_orderpriority STRING, o_clerk STRING,
  o_shippriority INT, o_comment STRING)
WITH ('connector' = 'filesystem', 'path' = '${DATA}/orders.csv${SUFFIX}', 'format' = 'csv', 'csv.header' = 'true');
CREATE TABLE lineitem (
  l_orderkey BIGINT NOT NULL, l_partkey INT NOT NULL, l_suppkey INT NOT NULL, l_linenumber INT,
  l_quantity DECIMAL(15, 2), l_extendedprice DECIMAL(15, 2), l_discount DECIMAL(15, 2),
  l_tax DECIMAL(15, 2), l_returnflag STRING, l_linestatus STRING, l_shipdate DATE,
  l_commitdate DATE, l_receiptdate DATE, l_shipinstruct STRING, l_shipmode STRING,
  l_comment STRING)
WITH ('connector' = 'filesystem', 'path' = '${DATA}/lineitem.csv${SUFFIX}', 'format' = 'csv', 'csv.header' = 'true');
