#include "bench/nexmark/sql_queries.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <utility>
#include <vector>

#include "tidewheel/api/env.h"
#include "tidewheel/base/file_system.h"
#include "tidewheel/base/random.h"
#include "tidewheel/base/world.h"
#include "tidewheel/connectors/file/table.h"
#include "tidewheel/connectors/nexmark/table.h"
#include "tidewheel/formats/csv/table.h"
#include "tidewheel/sql/build.h"
#include "tidewheel/sql/parser.h"
#include "tidewheel/sql/session.h"
#include "tidewheel/types/column_text.h"

namespace tidewheel::bench {
namespace {

constexpr SqlQuery kQueries[] = {
    {"q0", "pass through", "SELECT auction, bidder, price, dateTime, extra FROM bid"},
    {"q1", "currency conversion",
     "SELECT auction, bidder, 0.908 * price AS price, dateTime, extra FROM bid"},
    {"q2", "selection", "SELECT auction, price FROM bid WHERE MOD(auction, 123) = 0"},
    {"q3", "local item suggestion (incremental join)", R"(
SELECT P.name, P.city, P.state, A.id
FROM auction AS A INNER JOIN person AS P ON A.seller = P.id
WHERE A.category = 10 AND (P.state = 'OR' OR P.state = 'ID' OR P.state = 'CA'))"},
    {"q4", "average price for a category", R"(
SELECT Q.category, AVG(Q.final)
FROM (SELECT MAX(B.price) AS final, A.category FROM auction A, bid B
      WHERE A.id = B.auction AND B.dateTime BETWEEN A.dateTime AND A.expires
      GROUP BY A.id, A.category) Q
GROUP BY Q.category)"},
    {"q5", "hot items (sliding window)", R"(
SELECT AuctionBids.auction, AuctionBids.num
FROM (SELECT auction, COUNT(*) AS num, window_start AS starttime, window_end AS endtime
      FROM TABLE(HOP(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '2' SECOND, INTERVAL '10' SECOND))
      GROUP BY auction, window_start, window_end) AS AuctionBids
JOIN (SELECT MAX(CountBids.num) AS maxn, CountBids.starttime, CountBids.endtime
      FROM (SELECT COUNT(*) AS num, window_start AS starttime, window_end AS endtime
            FROM TABLE(HOP(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '2' SECOND,
                           INTERVAL '10' SECOND))
            GROUP BY auction, window_start, window_end) AS CountBids
      GROUP BY CountBids.starttime, CountBids.endtime) AS MaxBids
ON AuctionBids.starttime = MaxBids.starttime AND AuctionBids.endtime = MaxBids.endtime
   AND AuctionBids.num >= MaxBids.maxn)"},
    {"q6", "average selling price of a seller's last ten auctions", R"(
SELECT Q.seller, AVG(Q.final) OVER (PARTITION BY Q.seller ORDER BY Q.dateTime
                                    ROWS BETWEEN 10 PRECEDING AND CURRENT ROW)
FROM (SELECT A.id, A.seller, B.price AS final, B.dateTime,
        ROW_NUMBER() OVER (PARTITION BY A.id, A.seller ORDER BY B.price DESC) AS rownum
      FROM auction AS A, bid AS B
      WHERE A.id = B.auction AND B.dateTime BETWEEN A.dateTime AND A.expires) AS Q
WHERE Q.rownum <= 1)"},
    {"q7", "highest bid (tumbling window)", R"(
SELECT B.auction, B.price, B.bidder, B.dateTime, B.extra
FROM bid B JOIN (SELECT MAX(price) AS maxprice, window_end AS dateTime
                 FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '10' SECOND))
                 GROUP BY window_start, window_end) B1
ON B.price = B1.maxprice
WHERE B.dateTime BETWEEN B1.dateTime - INTERVAL '10' SECOND AND B1.dateTime)"},
    {"q8", "monitor new users (window join)", R"(
SELECT P.id, P.name, P.starttime
FROM (SELECT id, name, window_start AS starttime, window_end AS endtime
      FROM TABLE(TUMBLE(TABLE person, DESCRIPTOR(dateTime), INTERVAL '10' SECOND))
      GROUP BY id, name, window_start, window_end) P
JOIN (SELECT seller, window_start AS starttime, window_end AS endtime
      FROM TABLE(TUMBLE(TABLE auction, DESCRIPTOR(dateTime), INTERVAL '10' SECOND))
      GROUP BY seller, window_start, window_end) A
ON P.id = A.seller AND P.starttime = A.starttime AND P.endtime = A.endtime)"},
    {"q9", "winning bids", R"(
SELECT id, itemName, description, initialBid, reserve, dateTime, expires, seller, category, extra,
  auction, bidder, price, bid_dateTime, bid_extra
FROM (SELECT A.*, B.auction, B.bidder, B.price, B.dateTime AS bid_dateTime, B.extra AS bid_extra,
        ROW_NUMBER() OVER (PARTITION BY A.id ORDER BY B.price DESC, B.dateTime ASC) AS rownum
      FROM auction A, bid B
      WHERE A.id = B.auction AND B.dateTime BETWEEN A.dateTime AND A.expires)
WHERE rownum <= 1)"},
    {"q12", "bids of a user in a processing-time window", R"(
SELECT bidder, COUNT(*) AS bid_count, window_start AS starttime, window_end AS endtime
FROM TABLE(TUMBLE(TABLE bid_by_clock, DESCRIPTOR(p_time), INTERVAL '10' SECOND))
GROUP BY bidder, window_start, window_end)"},
    {"q13", "bids joined with a table in a file (bounded side input)", R"(
SELECT B.auction, B.bidder, B.price, B.dateTime, S.`value`
FROM (SELECT *, PROCTIME() AS p_time FROM bid) B
JOIN side_input FOR SYSTEM_TIME AS OF B.p_time AS S ON MOD(B.auction, 10000) = S.key)"},
    {"q14", "calculation", R"(
SELECT auction, bidder, 0.908 * price AS price,
  CASE WHEN HOUR(dateTime) >= 8 AND HOUR(dateTime) <= 18 THEN 'dayTime'
       WHEN HOUR(dateTime) <= 6 OR HOUR(dateTime) >= 20 THEN 'nightTime'
       ELSE 'otherTime' END AS bidTimeType,
  dateTime, extra, REGEXP_COUNT(extra, 'c') AS c_counts
FROM bid WHERE 0.908 * price > 1000000 AND 0.908 * price < 50000000)"},
    {"q15", "bidding statistics by day", R"(
SELECT DATE_FORMAT(dateTime, 'yyyy-MM-dd') AS `day`, COUNT(*) AS total_bids,
  COUNT(*) FILTER (WHERE price < 10000) AS rank1_bids,
  COUNT(*) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bids,
  COUNT(*) FILTER (WHERE price >= 1000000) AS rank3_bids,
  COUNT(DISTINCT bidder) AS total_bidders,
  COUNT(DISTINCT bidder) FILTER (WHERE price < 10000) AS rank1_bidders,
  COUNT(DISTINCT bidder) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bidders,
  COUNT(DISTINCT bidder) FILTER (WHERE price >= 1000000) AS rank3_bidders,
  COUNT(DISTINCT auction) AS total_auctions,
  COUNT(DISTINCT auction) FILTER (WHERE price < 10000) AS rank1_auctions,
  COUNT(DISTINCT auction) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_auctions,
  COUNT(DISTINCT auction) FILTER (WHERE price >= 1000000) AS rank3_auctions
FROM bid GROUP BY DATE_FORMAT(dateTime, 'yyyy-MM-dd'))"},
    {"q16", "channel statistics by day", R"(
SELECT channel, DATE_FORMAT(dateTime, 'yyyy-MM-dd') AS `day`,
  MAX(DATE_FORMAT(dateTime, 'HH:mm')) AS `minute`, COUNT(*) AS total_bids,
  COUNT(*) FILTER (WHERE price < 10000) AS rank1_bids,
  COUNT(*) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bids,
  COUNT(*) FILTER (WHERE price >= 1000000) AS rank3_bids,
  COUNT(DISTINCT bidder) AS total_bidders,
  COUNT(DISTINCT bidder) FILTER (WHERE price < 10000) AS rank1_bidders,
  COUNT(DISTINCT bidder) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bidders,
  COUNT(DISTINCT bidder) FILTER (WHERE price >= 1000000) AS rank3_bidders,
  COUNT(DISTINCT auction) AS total_auctions,
  COUNT(DISTINCT auction) FILTER (WHERE price < 10000) AS rank1_auctions,
  COUNT(DISTINCT auction) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_auctions,
  COUNT(DISTINCT auction) FILTER (WHERE price >= 1000000) AS rank3_auctions
FROM bid GROUP BY channel, DATE_FORMAT(dateTime, 'yyyy-MM-dd'))"},
    {"q17", "auction statistics by day", R"(
SELECT auction, DATE_FORMAT(dateTime, 'yyyy-MM-dd') AS `day`, COUNT(*) AS total_bids,
  COUNT(*) FILTER (WHERE price < 10000) AS rank1_bids,
  COUNT(*) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bids,
  COUNT(*) FILTER (WHERE price >= 1000000) AS rank3_bids,
  MIN(price) AS min_price, MAX(price) AS max_price, AVG(price) AS avg_price,
  SUM(price) AS sum_price
FROM bid GROUP BY auction, DATE_FORMAT(dateTime, 'yyyy-MM-dd'))"},
    {"q18", "last bid of each bidder on each auction", R"(
SELECT auction, bidder, price, channel, url, dateTime, extra
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY bidder, auction ORDER BY dateTime DESC)
        AS rank_number FROM bid)
WHERE rank_number <= 1)"},
    {"q19", "ten highest bids of each auction", R"(
SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY price DESC) AS rank_number
               FROM bid)
WHERE rank_number <= 10)"},
    {"q20", "bids expanded with their auction", R"(
SELECT auction, bidder, price, channel, url, B.dateTime AS bid_dateTime, B.extra AS bid_extra,
  itemName, description, initialBid, reserve, A.dateTime AS auction_dateTime, expires, seller,
  category, A.extra AS auction_extra
FROM bid AS B INNER JOIN auction AS A ON B.auction = A.id WHERE A.category = 10)"},
    {"q21", "channel ids", R"(
SELECT auction, bidder, price, channel,
  CASE WHEN LOWER(channel) = 'apple' THEN '0' WHEN LOWER(channel) = 'google' THEN '1'
       WHEN LOWER(channel) = 'facebook' THEN '2' WHEN LOWER(channel) = 'baidu' THEN '3'
       ELSE REGEXP_EXTRACT(url, '(&|^)channel_id=([^&]*)', 2) END AS channel_id
FROM bid
WHERE REGEXP_EXTRACT(url, '(&|^)channel_id=([^&]*)', 2) IS NOT NULL
   OR LOWER(channel) IN ('apple', 'google', 'facebook', 'baidu'))"},
    {"q22", "parts of a URL", R"(
SELECT auction, bidder, price, channel, SPLIT_INDEX(url, '/', 3) AS dir1,
  SPLIT_INDEX(url, '/', 4) AS dir2, SPLIT_INDEX(url, '/', 5) AS dir3 FROM bid)"},
};

constexpr const char* kTables = R"(
CREATE TABLE bid (auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING,
  dateTime TIMESTAMP(3), extra STRING, WATERMARK FOR dateTime AS dateTime - INTERVAL '4' SECOND)
WITH ({0}, 'nexmark.kind' = 'bid');
CREATE TABLE bid_by_clock (auction BIGINT, bidder BIGINT, price BIGINT, dateTime TIMESTAMP(3),
  p_time AS PROCTIME()) WITH ({0}, 'nexmark.kind' = 'bid');
CREATE TABLE auction (id BIGINT, itemName STRING, description STRING, initialBid BIGINT,
  reserve BIGINT, dateTime TIMESTAMP(3), expires TIMESTAMP(3), seller BIGINT, category BIGINT,
  extra STRING, WATERMARK FOR dateTime AS dateTime - INTERVAL '4' SECOND)
WITH ({0}, 'nexmark.kind' = 'auction');
CREATE TABLE person (id BIGINT, name STRING, emailAddress STRING, creditCard STRING, city STRING,
  state STRING, dateTime TIMESTAMP(3), extra STRING,
  WATERMARK FOR dateTime AS dateTime - INTERVAL '4' SECOND)
WITH ({0}, 'nexmark.kind' = 'person');
CREATE TABLE side_input (key BIGINT, `value` STRING)
WITH ('connector' = 'filesystem', 'path' = '{1}', 'format' = 'csv');
)";

// The file of q13: a value for each of ten thousand keys. It goes with the last reference.
class SideInput {
 public:
  explicit SideInput(World& world)
      : files_(world.files()),
        path_(fmt::format("/tmp/tidewheel-side-input-{:016x}.csv", world.fork_random().next())) {}
  ~SideInput() {
    if (is_written_) { ignore(files_.remove(path_), "a temporary file"); }
  }
  SideInput(const SideInput&) = delete;
  SideInput& operator=(const SideInput&) = delete;

  const std::string& path() const { return path_; }
  Status write() {
    is_written_ = true;
    std::string lines;
    for (int64_t key = 0; key < kKeys; ++key) { lines += fmt::format("{0},value {0}\n", key); }
    return write_all_durably(files_, path_, lines);
  }

 private:
  static constexpr int64_t kKeys = 10'000;
  FileSystem& files_;
  const std::string path_;
  bool is_written_ = false;
};

// Consumes every value, and builds nothing of them.
class LightColumns {
 public:
  using input = ColumnRow;
  LightColumns(std::shared_ptr<RunTotals> totals, std::vector<LogicalType> types)
      : totals_(std::move(totals)), types_(std::move(types)) {}

  Status write_batch(const ColumnBatch& rows, uint32_t begin, uint32_t end) {
    for (size_t i = 0; i < types_.size(); ++i) {
      with_physical(types_[i].physical(), [&]<class T>() {
        const T* const values = rows.view(i).as<T>();
        for (uint32_t row = begin; row < end; ++row) { sum_ += bits(values[row]); }
      });
    }
    rows_ += end - begin;
    return ok_status();
  }
  Status close(bool) {
    totals_->changes += rows_;
    totals_->rows += rows_;
    totals_->hash += sum_;
    return ok_status();
  }

 private:
  template <class T>
  static uint64_t bits(const T& value) {
    if constexpr (std::is_same_v<T, Text>) {
      return reinterpret_cast<uintptr_t>(value.data()) + value.size();
    } else {
      return static_cast<uint64_t>(value);
    }
  }

  std::shared_ptr<RunTotals> totals_;
  std::vector<LogicalType> types_;
  uint64_t sum_ = 0;
  uint64_t rows_ = 0;
};

// The hash of the rows that there are after all changes.
class HashColumns {
 public:
  using input = ColumnRow;
  HashColumns(std::shared_ptr<RunTotals> totals, std::vector<LogicalType> types)
      : totals_(std::move(totals)), types_(std::move(types)) {}

  Status write_batch(const ColumnBatch& rows, uint32_t begin, uint32_t end) {
    std::string line;
    for (uint32_t row = begin; row < end; ++row) {
      line.clear();
      for (size_t i = 0; i < types_.size(); ++i) {
        if (i > 0) { line += '|'; }
        append_value_text(line, types_[i], rows.view(i), row);
      }
      const uint64_t hash = XXH3_64bits(line.data(), line.size());
      const bool gone = is_retraction(rows.kind(row));
      hash_ += gone ? ~hash + 1 : hash;
      rows_ += gone ? -1 : 1;
    }
    changes_ += end - begin;
    return ok_status();
  }
  Status close(bool) {
    totals_->changes += changes_;
    totals_->rows += static_cast<uint64_t>(rows_);
    totals_->hash += hash_;
    return ok_status();
  }

 private:
  std::shared_ptr<RunTotals> totals_;
  std::vector<LogicalType> types_;
  uint64_t hash_ = 0;
  int64_t rows_ = 0;
  uint64_t changes_ = 0;
};

}  // namespace

std::span<const SqlQuery> all_sql_queries() { return kQueries; }

Status build_sql_query(const SqlQuery& query, QueryRun& run) {
  struct Kept {
    explicit Kept(World& world) : side_input(world) {}
    SideInput side_input;
  };
  const auto kept = std::make_shared<Kept>(run.env.world());
  run.kept = kept;
  const auto tables = std::make_shared<TableRegistry>();
  tables->add(nexmark::table_connector());
  tables->add(file::filesystem_table_connector());
  tables->add(csv_table_format());
  if (query.name == "q13") { TIDEWHEEL_RETURN_IF_ERROR(kept->side_input.write()); }
  sql::Session session(run.env.world(), {.tables = tables, .config = {}, .file_table = nullptr});
  session.lend_to(run.env);
  const std::string options = fmt::format(
      "'connector' = 'nexmark', 'events.num' = '{}', 'first-event.rate' = '{}', "
      "'next-event.rate' = '{}', 'seed' = '{}'",
      run.options.events, run.options.rate, run.options.rate, run.options.seed);
  const std::string ddl = fmt::format(kTables, options, kept->side_input.path());
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto statements, sql::parse_script(ddl));
  for (const sql::Statement& statement : statements) {
    TIDEWHEEL_RETURN_IF_ERROR(session.execute(ddl, statement).status());
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(const sql::Statement statement, sql::parse_statement(query.sql));
  // Timed as for a sink that updates by key; checked with what was before.
  TIDEWHEEL_ASSIGN_OR_RETURN(
      const sql::PlanRef plan,
      session.plan(query.sql, std::get<sql::Query>(statement.node), run.check));
  sql::BuildOptions building;
  building.eval.clock = &run.env.world().clock();
  sql::JobBuilder builder(run.env, *tables, building);
  TIDEWHEEL_ASSIGN_OR_RETURN(const Stream<ColumnRow> rows, builder.build(*plan));
  if (run.check) {
    rows.to(HashColumns(run.totals, plan->type.types)).uid("sink");
  } else {
    rows.to(LightColumns(run.totals, plan->type.types)).uid("sink");
  }
  return ok_status();
}

}  // namespace tidewheel::bench
