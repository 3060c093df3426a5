#include "tidewheel/cli/client_tables.h"

#include <fmt/format.h>

#include <algorithm>

#include "tidewheel/base/text_width.h"
#include "tidewheel/base/time_zone.h"

namespace tidewheel {
namespace {

bool is_number(std::string_view text) {
  return !text.empty() && ((text[0] >= '0' && text[0] <= '9') || text[0] == '-');
}

// What the terminal would take for a command is shown as a question mark.
std::string printable(std::string_view text) {
  std::string out(text);
  std::replace_if(
      out.begin(), out.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  return out;
}

std::string job_line(const JsonValue& job) {
  return fmt::format("{} : {} : {} ({})\n", wall_time_text(job["start-time"].integer()),
                     job["jid"].text(), printable(job["name"].text()), job["state"].text());
}

}  // namespace

std::string TextTable::text() const {
  std::vector<size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) { widths[i] = std::max(widths[i], text_width(row[i])); }
  }
  std::string out;
  for (size_t r = 0; r < rows_.size(); ++r) {
    std::string line;
    for (size_t i = 0; i < rows_[r].size(); ++i) {
      const std::string cell = printable(rows_[r][i]);
      const std::string pad(widths[i] - std::min(widths[i], text_width(cell)), ' ');
      // A column of numbers has its name to the right too.
      const bool right =
          is_number(r == 0 && rows_.size() > 1 && i < rows_[1].size() ? rows_[1][i] : cell);
      line += (i == 0 ? "" : "  ") + (right ? pad + cell : cell + pad);
    }
    while (line.ends_with(' ')) { line.pop_back(); }
    out += line + "\n";
  }
  return out;
}

std::string count_text(double count) {
  if (count < 10'000) { return fmt::format("{:.0f}", count); }
  if (count < 1e6) { return fmt::format("{:.1f} k", count / 1e3); }
  if (count < 1e9) { return fmt::format("{:.2f} M", count / 1e6); }
  return fmt::format("{:.2f} G", count / 1e9);
}

std::string bytes_text(int64_t bytes) {
  const auto value = static_cast<double>(bytes);
  if (bytes < 1024) { return fmt::format("{} B", bytes); }
  if (bytes < 1 << 20) { return fmt::format("{:.1f} KiB", value / 1024); }
  if (bytes < 1 << 30) { return fmt::format("{:.1f} MiB", value / (1 << 20)); }
  return fmt::format("{:.2f} GiB", value / (1 << 30));
}

std::string duration_text(int64_t ms) {
  const int64_t seconds = ms / 1000;
  if (ms < 1000) { return fmt::format("{} ms", ms); }
  if (seconds < 60) { return fmt::format("{:.1f} s", static_cast<double>(ms) / 1000); }
  if (seconds < 3600) { return fmt::format("{} min {:02} s", seconds / 60, seconds % 60); }
  if (seconds < 86'400) { return fmt::format("{} h {:02} min", seconds / 3600, seconds / 60 % 60); }
  return fmt::format("{} d {:02} h", seconds / 86'400, seconds / 3600 % 24);
}

std::string wall_time_text(int64_t wall_ms) {
  TimeZone zone = TimeZone::find("system").value_or(TimeZone());
  const int64_t local_s = (wall_ms + zone.offset_ms(wall_ms)) / 1000;
  // Days to a date: Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
  const int64_t days = local_s / 86'400 + 719'468;
  const int64_t era = days / 146'097;
  const int64_t day_of_era = days % 146'097;
  const int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t shifted = (5 * day_of_year + 2) / 153;
  const int64_t day = day_of_year - (153 * shifted + 2) / 5 + 1;
  const int64_t month = shifted < 10 ? shifted + 3 : shifted - 9;
  const int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
  return fmt::format("{:02}.{:02}.{:04} {:02}:{:02}:{:02}", day, month, year,
                     local_s % 86'400 / 3600, local_s / 60 % 60, local_s % 60);
}

std::string job_list_text(const JsonValue& overview, bool running, bool scheduled, bool all) {
  const auto lines_of = [&](const auto& is_wanted) {
    std::string out;
    for (const JsonValue& job : overview["jobs"].items()) {
      if (is_wanted(job["state"].text(), job["end-time"].integer() > 0)) { out += job_line(job); }
    }
    return out;
  };
  const std::string line(62, '-');
  std::string out;
  const auto section = [&](const char* title, const std::string& lines, const char* none) {
    if (lines.empty()) {
      out += std::string(none) + "\n";
    } else {
      out += std::string(title) + "\n" + lines + line + "\n";
    }
  };
  // CREATED and INITIALIZING wait to run.
  const auto waits = [](const std::string& state) {
    return state == "CREATED" || state == "INITIALIZING";
  };
  if (running || all) {
    section("------------------ Running/Restarting Jobs -------------------",
            lines_of([&](const std::string& state, bool ended) { return !ended && !waits(state); }),
            "No running jobs.");
  }
  if (scheduled || all) {
    section("----------------------- Scheduled Jobs -----------------------",
            lines_of([&](const std::string& state, bool ended) { return !ended && waits(state); }),
            "No scheduled jobs.");
  }
  if (all) {
    section("---------------------- Terminated Jobs -----------------------",
            lines_of([](const std::string&, bool ended) { return ended; }), "No terminated jobs.");
  }
  return out;
}

std::string checkpoints_text(const JsonValue& checkpoints) {
  const JsonValue& counts = checkpoints["counts"];
  std::string out = fmt::format("{} completed, {} failed, {} in progress, {} restored\n",
                                counts["completed"].integer(), counts["failed"].integer(),
                                counts["in_progress"].integer(), counts["restored"].integer());
  TextTable table({"id", "status", "kind", "triggered", "took", "state", "written", "where"});
  for (const JsonValue& one : checkpoints["history"].items()) {
    const std::string& failure = one["failure_message"].text();
    table.add({one["id"].text(), one["status"].text(), one["checkpoint_type"].text(),
               wall_time_text(one["trigger_timestamp"].integer()),
               duration_text(one["end_to_end_duration"].integer()),
               bytes_text(one["state_size"].integer()),
               bytes_text(one["checkpointed_size"].integer()),
               failure.empty() ? one["external_path"].text() : failure});
  }
  return checkpoints["history"].items().empty() ? out : out + table.text();
}

JobFigures job_figures(const JsonValue& job, const JsonValue& checkpoints) {
  JobFigures figures;
  figures.state = job["state"].text();
  figures.duration_ms = job["duration"].integer();
  for (const JsonValue& vertex : job["vertices"].items()) {
    const JsonValue& metrics = vertex["metrics"];
    const double read = metrics["read-records"].number();
    const double written = metrics["write-records"].number();
    bool is_source = true;
    for (const JsonValue& node : job["plan"]["nodes"].items()) {
      if (node["id"].text() == vertex["id"].text()) { is_source = node["inputs"].is_null(); }
    }
    if (is_source) { figures.rows_in += written; }
    figures.rows_out += read;
    figures.tasks += static_cast<int32_t>(vertex["parallelism"].integer());
    figures.running += static_cast<int32_t>(vertex["tasks"]["RUNNING"].integer());
    const double busy = metrics["accumulated-busy-time"].number();
    const double held = metrics["accumulated-backpressured-time"].number();
    const double total = busy + held + metrics["accumulated-idle-time"].number();
    if (total > 0) {
      figures.busy = std::max(figures.busy, busy / total);
      figures.backpressured = std::max(figures.backpressured, held / total);
    }
  }
  figures.checkpoints = checkpoints["counts"]["completed"].integer();
  figures.failed_checkpoints = checkpoints["counts"]["failed"].integer();
  const JsonValue& latest = checkpoints["latest"]["completed"];
  figures.checkpoint_ms = latest["end_to_end_duration"].integer();
  figures.state_bytes = latest["state_size"].integer();
  return figures;
}

}  // namespace tidewheel
