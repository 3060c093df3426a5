#include "tidewheel/cli/sql_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "tidewheel/api/env.h"
#include "tidewheel/api/interruption.h"
#include "tidewheel/base/text_width.h"
#include "tidewheel/base/time_zone.h"
#include "tidewheel/base/world.h"
#include "tidewheel/cli/sql_terminal.h"
#include "tidewheel/dataflow/local_job.h"
#include "tidewheel/sql/plan_estimate.h"
#include "tidewheel/sql/result_text.h"

namespace tidewheel {
namespace {

constexpr int64_t kFirstPollNs = 500'000;
constexpr int64_t kPollNsMax = 20'000'000;
constexpr int64_t kQuietNs = 1'000'000'000;   // before progress is shown
constexpr int64_t kProgressNs = 200'000'000;  // between two lines of it
constexpr int64_t kRedrawNs = 250'000'000;    // between two tables
constexpr int64_t kRedrawShare = 10;          // of the time at most one part goes into drawing
constexpr int32_t kLinesAround = 6;           // of a table: its frame, its names, the prompt
constexpr size_t kLiveRowsMin = 3;
constexpr size_t kPartBytes = 16'384;  // that are printed between two looks for Ctrl-C

// "1234567 rows read, 350000 rows/s" on one line of the error stream, which is written again.
class ProgressLine {
 public:
  ProgressLine(World& world, bool is_on)
      : world_(world),
        is_on_(is_on),
        begun_ns_(world.clock().now_ns()),
        next_ns_(begun_ns_ + kQuietNs) {}
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void tell(const JobHandle& job) {
    const int64_t now_ns = world_.clock().now_ns();
    if (!is_on_ || now_ns < next_ns_) { return; }
    next_ns_ = now_ns + kProgressNs;
    int64_t rows = 0;
    for (const MetricValue& metric : job.metrics()) {
      const bool is_source = metric.scope.find(".Source: ") != std::string::npos ||
                             metric.scope.find(".Values") != std::string::npos;
      if (is_source && metric.name == "numRecordsOut") { rows += metric.value; }
    }
    const double seconds = static_cast<double>(now_ns - begun_ns_) * 1e-9;
    print_error(fmt::format("\r\x1b[K{} rows read, {:.0f}/s, {:.0f} s", rows,
                            static_cast<double>(rows) / seconds, seconds));
    is_shown_ = true;
  }
  void clear() {
    if (std::exchange(is_shown_, false)) { print_error("\r\x1b[K"); }
  }

 private:
  World& world_;
  const bool is_on_;
  const int64_t begun_ns_;
  int64_t next_ns_;
  bool is_shown_ = false;
};

std::string expanded_text(const std::vector<std::string>& names,
                          const std::vector<std::vector<std::string>>& rows) {
  size_t width = 0;
  for (const std::string& name : names) { width = std::max(width, text_width(name)); }
  std::string out;
  for (size_t i = 0; i < rows.size(); ++i) {
    out += fmt::format("-[ row {} ]{:-<{}}\n", i + 1, "", width + 8);
    for (size_t c = 0; c < names.size(); ++c) {
      const std::string pad(width - text_width(names[c]), ' ');
      out += fmt::format("{}{} | {}\n", names[c], pad, rows[i][c]);
    }
  }
  return out;
}

// One query's rows on their way to the user.
class QueryView {
 public:
  QueryView(World& world, sql::RunningQuery& query, const SqlViewOptions& options,
            const std::string& zone, const Interruption* interruption)
      : world_(world),
        query_(query),
        options_(options),
        interruption_(interruption),
        output_(options.output),
        zone_(*TimeZone::find(zone)),
        style_(options.output == SqlOutput::kJson ? sql::CellStyle::kJson : sql::CellStyle::kText),
        table_(query.type, query.visible, query.order_by, zone_, style_) {
    // Of an input that does not end there is no table at the end: it is drawn as it is, or its
    // changes are shown.
    is_live_ =
        !query.is_bounded && output_ == SqlOutput::kBox && options.is_terminal && query.limit < 0;
    if (!query.is_bounded && !is_live_ && (query.updates || output_ == SqlOutput::kBox)) {
      output_ = SqlOutput::kChangelog;
    }
    at_end_ = output_ == SqlOutput::kBox ||
              (output_ != SqlOutput::kChangelog && (query.updates || !query.order_by.empty()));
    for (size_t i = 0; i < query.visible; ++i) {
      type_.add(query.type.names[i], query.type.types[i]);
    }
  }

  Status run() {
    if (!at_end_) { print_header(); }
    ProgressLine progress(world_, options_.shows_progress && at_end_ && !is_live_);
    bool enough = query_.limit == 0;
    int64_t poll_ns = kFirstPollNs;
    for (bool ended = false; !ended;) {
      ended = query_.job->wait(world_.clock().now_ns() + poll_ns);
      poll_ns = std::min(poll_ns * 2, kPollNsMax);
      take_rows();
      TIDEWHEEL_RETURN_IF_ERROR(flush_output());  // the job goes with the query
      if (is_live_) { redraw(); }
      progress.tell(*query_.job);
      if (!ended && query_.limit >= 0 && count_ >= query_.limit && !enough) {
        enough = true;
        query_.job->cancel();
      }
    }
    progress.clear();
    Status result = query_.job->result();
    // The job may have come to its end by itself meanwhile.
    if (enough && !result.ok() && result.id() == ErrorId::kJobCancelled) { result = ok_status(); }
    TIDEWHEEL_RETURN_IF_ERROR(std::move(result));
    if (at_end_) {
      erase_drawn();
      return print_table();
    }
    return ok_status();
  }

 private:
  void take_rows() {
    for (const sql::ResultQueue::Rows& rows : query_.rows->take_all()) {
      if (at_end_) {
        table_.apply(rows);
      } else {
        print_rows(rows);
      }
      count_ += rows.end - rows.begin;
    }
  }

  void print_header() {
    if (output_ == SqlOutput::kCsv) {
      print(sql::csv_line(type_.names, std::vector<bool>(type_.size(), false)));
    } else if (output_ == SqlOutput::kChangelog) {
      std::string line = "op";
      for (const std::string& name : type_.names) { line += " | " + name; }
      print(line + "\n");
    }
  }

  void print_rows(const sql::ResultQueue::Rows& rows) {
    std::string out;
    for (uint32_t i = rows.begin; i < rows.end; ++i) {
      if (query_.limit >= 0 && count_ + (i - rows.begin) >= query_.limit) { break; }
      sql::ResultTable::Row row = sql::result_row(query_.type, rows.columns(), i, zone_, style_);
      row.cells.resize(query_.visible);
      row.nulls.resize(query_.visible);
      if (output_ == SqlOutput::kCsv) {
        out += sql::csv_line(row.cells, row.nulls);
      } else if (output_ == SqlOutput::kJson) {
        out += sql::json_line(type_, row.cells, row.nulls);
      } else {
        out += row_kind_text(rows.columns().kind(i));
        for (size_t c = 0; c < query_.visible; ++c) {
          out += " | " + (row.nulls[c] ? std::string("NULL") : row.cells[c]);
        }
        out += '\n';
      }
    }
    print(out);
  }

  // At most `rows_max` rows in a box, or a line a column.
  std::string table_text(const std::vector<const sql::ResultTable::Row*>& rows, size_t rows_max) {
    std::vector<std::vector<std::string>> cells;
    std::vector<bool> right;
    for (const LogicalType& type : type_.types) { right.push_back(sql::is_shown_right(type)); }
    for (size_t r = 0; r < std::min(rows.size(), rows_max); ++r) {
      auto& line = cells.emplace_back();
      for (size_t i = 0; i < type_.size(); ++i) {
        line.push_back(rows[r]->nulls[i] ? "NULL" : rows[r]->cells[i]);
      }
    }
    std::string out = options_.expanded ? expanded_text(type_.names, cells)
                                        : sql::box_text(type_.names, right, cells);
    return out +
           fmt::format("{} row{}{}\n", rows.size(), rows.size() == 1 ? "" : "s",
                       rows.size() > rows_max ? fmt::format(", {} of them shown", rows_max) : "");
  }

  Status print_table() {
    const std::vector<const sql::ResultTable::Row*> rows = table_.rows();
    if (output_ == SqlOutput::kBox) { return print_parts(table_text(rows, rows.size())); }
    std::string out;
    if (output_ == SqlOutput::kCsv) { print_header(); }
    for (const sql::ResultTable::Row* row : rows) {
      const std::vector<std::string> cells(
          row->cells.begin(), row->cells.begin() + static_cast<ptrdiff_t>(type_.size()));
      out += output_ == SqlOutput::kCsv ? sql::csv_line(cells, row->nulls)
                                        : sql::json_line(type_, cells, row->nulls);
    }
    return print_parts(out);
  }

  // A terminal takes its time for a large table: Ctrl-C ends that too, and the second one that was
  // for a query which ended all the same.
  Status print_parts(std::string_view text) {
    const int begun = std::min(interruption_ == nullptr ? 0 : interruption_->signals(), 1);
    while (!text.empty()) {
      if (interruption_ != nullptr && interruption_->signals() > begun) {
        return cancelled(ErrorId::kJobCancelled, "interrupted: not all rows are shown");
      }
      const size_t end = text.find('\n', std::min(text.size() - 1, kPartBytes));
      print(std::string(text.substr(0, end == std::string_view::npos ? end : end + 1)));
      TIDEWHEEL_RETURN_IF_ERROR(flush_output());
      text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    return ok_status();
  }

  // ---- The table as it is now, in the place of the one before.

  void redraw() {
    const int64_t now_ns = world_.clock().now_ns();
    if (now_ns < next_draw_ns_ || count_ == drawn_count_) { return; }
    drawn_count_ = count_;
    const auto lines = static_cast<size_t>(std::max(terminal_lines() - kLinesAround, 1));
    const size_t a_row = options_.expanded ? type_.size() + 1 : 1;
    const std::string text = table_text(table_.rows(), std::max(kLiveRowsMin, lines / a_row));
    erase_drawn();
    // Long lines are cut: one that is wrapped would be two to go back over.
    print("\x1b[?7l" + text + "\x1b[?7h");
    drawn_lines_ = std::count(text.begin(), text.end(), '\n');
    std::fflush(stdout);
    const int64_t took_ns = world_.clock().now_ns() - now_ns;
    next_draw_ns_ = now_ns + std::max(kRedrawNs, took_ns * kRedrawShare);
  }
  void erase_drawn() {
    if (drawn_lines_ > 0) { print(fmt::format("\x1b[{}A\x1b[J", std::exchange(drawn_lines_, 0))); }
  }

  World& world_;
  sql::RunningQuery& query_;
  const SqlViewOptions& options_;
  const Interruption* const interruption_;
  SqlOutput output_;
  TimeZone zone_;
  const sql::CellStyle style_;
  sql::ResultTable table_;
  RowType type_;  // of the columns that are shown
  bool at_end_ = false;
  bool is_live_ = false;
  int64_t count_ = 0;
  int64_t drawn_count_ = -1;
  int64_t drawn_lines_ = 0;
  int64_t next_draw_ns_ = 0;
};

}  // namespace

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }
Status flush_output() {
  errno = 0;
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) { return ok_status(); }
  return unavailable(ErrorId::kFileIo, "standard output can't be written{}{}",
                     errno == 0 ? "" : ": ", errno == 0 ? "" : std::strerror(errno));
}
void print_error(const std::string& text) {
  std::fflush(stdout);
  std::fwrite(text.data(), 1, text.size(), stderr);
}

void show_listing(const sql::Listing& listing, const SqlViewOptions& options) {
  if (listing.is_text) {
    for (const auto& row : listing.rows) { print(row[0] + "\n"); }
    return;
  }
  const std::vector<bool> nulls(listing.columns.size(), false);
  if (options.output == SqlOutput::kCsv || options.output == SqlOutput::kJson) {
    RowType type;
    for (const std::string& column : listing.columns) { type.add(column, LogicalType::string()); }
    const bool is_csv = options.output == SqlOutput::kCsv;
    if (is_csv) { print(sql::csv_line(listing.columns, nulls)); }
    for (const auto& row : listing.rows) {
      print(is_csv ? sql::csv_line(row, nulls) : sql::json_line(type, row, nulls));
    }
    return;
  }
  print(options.expanded ? expanded_text(listing.columns, listing.rows)
                         : sql::box_text(listing.columns, nulls, listing.rows,
                                         {.column_width_max = std::string::npos}));
}

Status show_query(World& world, sql::RunningQuery& query, const SqlViewOptions& options,
                  const std::string& zone, const Interruption* interruption) {
  return QueryView(world, query, options, zone, interruption).run();
}

void wait_for_job(World& world, JobHandle& job, const SqlViewOptions& options) {
  ProgressLine progress(world, options.shows_progress);
  while (!job.wait(world.clock().now_ns() + kPollNsMax)) { progress.tell(job); }
}

}  // namespace tidewheel
