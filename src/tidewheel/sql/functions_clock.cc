// What time it is. The same for all rows that are computed together.
#include "tidewheel/sql/function_table.h"
#include "tidewheel/sql/time_text.h"

namespace tidewheel::sql {
namespace {

using MadeKernel = Result<std::unique_ptr<Kernel>>;

// of(zone, now) -> R
template <class R, class F>
KernelMaker clock_maker(F of) {
  return [of](const KernelSetup& setup) -> MadeKernel {
    return row_kernel([of, zone = setup.options.zone](Out<R>& out) mutable {
      out.set(static_cast<R>(of(zone, out.call().now_ms)));
    });
  };
}

void define_clock(FunctionTable& table, const char* name, const LogicalType& type,
                  KernelMaker maker) {
  const auto rule = [type](std::span<const Argument> arguments) -> Result<Signature> {
    if (!arguments.empty()) { return not_these(); }
    return Signature{type, {}};
  };
  table.define(name, kClock, std::string(name) + "()", rule, std::move(maker));
}

int64_t instant(TimeZone&, int64_t now_ms) { return now_ms; }
int64_t local(TimeZone& zone, int64_t now_ms) { return local_of_utc_ms(zone, now_ms); }
int64_t time_of_day(TimeZone& zone, int64_t now_ms) {
  return floor_mod(local(zone, now_ms), kMsPerDay) / kMsPerSecond * kMsPerSecond;
}
int64_t today(TimeZone& zone, int64_t now_ms) { return floor_div(local(zone, now_ms), kMsPerDay); }

}  // namespace

void add_clocks(FunctionTable& table) {
  const LogicalType ltz = LogicalType::with(TypeKind::kTimestampLtz, 3, 0, false);
  const LogicalType time = LogicalType::with(TypeKind::kTime, 0, 0, false);
  for (const char* name : {"NOW", "CURRENT_TIMESTAMP", "CURRENT_ROW_TIMESTAMP"}) {
    define_clock(table, name, ltz, clock_maker<int64_t>(instant));
  }
  LogicalType processing = ltz;
  processing.time = TimeAttribute::kProcessing;
  define_clock(table, "PROCTIME", processing, clock_maker<int64_t>(instant));
  define_clock(table, "LOCALTIMESTAMP", LogicalType::with(TypeKind::kTimestamp, 3, 0, false),
               clock_maker<int64_t>(local));
  define_clock(table, "LOCALTIME", time, clock_maker<int32_t>(time_of_day));
  define_clock(table, "CURRENT_TIME", time, clock_maker<int32_t>(time_of_day));
  define_clock(table, "CURRENT_DATE", LogicalType::of(TypeKind::kDate, false),
               clock_maker<int32_t>(today));
  table.define("CURRENT_WATERMARK", kClock, {"timestamp -> timestamp(3)?", "ltz -> ltz(3)?"},
               {[](const KernelSetup&) -> MadeKernel {
                 return row_kernel([](Out<int64_t>& out, int64_t) {
                   const int64_t watermark_ms = out.call().watermark_ms;
                   watermark_ms == INT64_MIN ? out.set_null() : out.set(watermark_ms);
                 });
               }});
  table.define(
      "CURRENT_DATABASE", FunctionTraits{false, true, false}, {"-> string!"},
      {[](const KernelSetup& setup) -> MadeKernel {
        return row_kernel([name = setup.options.database](Out<Text>& out) { out.set_copy(name); });
      }});
}

}  // namespace tidewheel::sql
