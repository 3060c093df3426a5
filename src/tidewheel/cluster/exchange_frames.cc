#include "tidewheel/cluster/exchange_frames.h"

#include <lz4.h>
#include <snappy.h>
#include <zstd.h>

#include <limits>
#include <memory>

#include "tidewheel/rpc/frame.h"

namespace tidewheel::exchange {
namespace {

// Rows that shrink by more are sent as they are, so that a length is believed only where there are
// bytes to match it.
constexpr size_t kRatioMax = 512;

Status malformed(std::string_view what) {
  return data_loss(ErrorId::kDataFrame, "{} from another worker can't be read", what);
}

void put_plan(std::string& out, const CheckpointPlan& plan) {
  put_number(out, plan.id);
  put_number(out, static_cast<uint8_t>(plan.kind));
  put_number(out, static_cast<uint8_t>(plan.after));
  put_number(out, static_cast<uint8_t>(plan.form));
  put_number(out, static_cast<uint8_t>(plan.exactly_once));
  put_number(out, plan.unaligned_after_ns);
  put_number(out, plan.trigger_ns);
  put_number(out, plan.trigger_wall_ms);
  put_number(out, plan.base_checkpoint);
  put_text(out, plan.directory);
}

Result<CheckpointPlanRef> read_plan(FieldReader& in, int64_t clock_offset_ns) {
  auto plan = std::make_shared<CheckpointPlan>();
  plan->id = in.number<int64_t>();
  const auto kind = in.number<uint8_t>();
  const auto after = in.number<uint8_t>();
  const auto form = in.number<uint8_t>();
  plan->exactly_once = in.number<uint8_t>() != 0;
  plan->unaligned_after_ns = in.number<int64_t>();
  plan->trigger_ns =
      static_cast<int64_t>(in.number<uint64_t>() + static_cast<uint64_t>(clock_offset_ns));
  plan->trigger_wall_ms = in.number<int64_t>();
  plan->base_checkpoint = in.number<int64_t>();
  plan->directory = in.text();
  if (!in.ok() || !in.rest().empty() || plan->id <= 0 || plan->id > UINT32_MAX ||
      kind > static_cast<uint8_t>(SnapshotKind::kSavepoint) ||
      after > static_cast<uint8_t>(AfterSavepoint::kDrain) ||
      form > static_cast<uint8_t>(SavepointForm::kNative)) {
    return malformed("a checkpoint's plan");
  }
  plan->kind = static_cast<SnapshotKind>(kind);
  plan->after = static_cast<AfterSavepoint>(after);
  plan->form = static_cast<SavepointForm>(form);
  return CheckpointPlanRef(std::move(plan));
}

}  // namespace

void put_hello(std::string& out, const Hello& hello) {
  put_number(out, kMagic);
  put_number(out, kVersion);
  put_number(out, hello.token);
  put_number(out, hello.worker);
  put_number(out, hello.clock_ns);
  put_text(out, hello.job);
  put_text(out, hello.name);
}

Result<Hello> read_hello(std::string_view body) {
  FieldReader in(body);
  const auto magic = in.number<uint32_t>();
  const auto version = in.number<uint8_t>();
  Hello hello;
  hello.token = in.number<uint64_t>();
  hello.worker = in.number<uint64_t>();
  hello.clock_ns = in.number<int64_t>();
  hello.job = in.text();
  hello.name = in.text();
  if (!in.ok() || magic != kMagic || version != kVersion) { return malformed("a greeting"); }
  return hello;
}

void put_welcome(std::string& out, const Welcome& welcome) {
  put_number(out, kVersion);
  put_number(out, welcome.clock_ns);
  put_text(out, welcome.name);
}

Result<Welcome> read_welcome(std::string_view body) {
  FieldReader in(body);
  const auto version = in.number<uint8_t>();
  Welcome welcome;
  welcome.clock_ns = in.number<int64_t>();
  welcome.name = in.text();
  if (!in.ok() || version != kVersion) { return malformed("an answer to a greeting"); }
  return welcome;
}

void put_open(std::string& out, ExchangeChannelId id) {
  put_number(out, id.attempt);
  put_number(out, id.number);
}

Result<ExchangeChannelId> read_open(std::string_view body) {
  FieldReader in(body);
  ExchangeChannelId id;
  id.attempt = in.number<uint64_t>();
  id.number = in.number<uint32_t>();
  if (!in.ok()) { return malformed("a channel's number"); }
  return id;
}

void put_control(std::string& out, const Element& element, const CheckpointPlan* plan) {
  put_number(out, static_cast<uint8_t>(element.kind));
  put_number(out, element.source);
  put_number(out, element.value);
  if (plan != nullptr) { put_plan(out, *plan); }
}

Result<Control> read_control(std::string_view body, int64_t clock_offset_ns) {
  FieldReader in(body);
  Control control;
  const auto kind = in.number<uint8_t>();
  control.element.source = in.number<uint32_t>();
  control.element.value = in.number<int64_t>();
  if (!in.ok() || kind == static_cast<uint8_t>(Element::Kind::kBatch) ||
      kind > static_cast<uint8_t>(Element::Kind::kEndOfInput)) {
    return malformed("a control element");
  }
  control.element.kind = static_cast<Element::Kind>(kind);
  if (control.element.kind == Element::Kind::kLatencyMarker) {
    control.element.value = static_cast<int64_t>(static_cast<uint64_t>(control.element.value) +
                                                 static_cast<uint64_t>(clock_offset_ns));
  }
  const bool is_barrier = control.element.kind == Element::Kind::kBarrier;
  if (is_barrier && (control.element.value <= 0 || control.element.value > UINT32_MAX)) {
    return malformed("a barrier");
  }
  if (!in.rest().empty()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(control.plan, read_plan(in, clock_offset_ns));
    if (!is_barrier || control.plan->id != control.element.value) { return malformed("a barrier"); }
  }
  return control;
}

void put_announcement(std::string& out, int64_t checkpoint, uint32_t position,
                      const CheckpointPlan* plan) {
  put_number(out, checkpoint);
  put_number(out, position);
  if (plan != nullptr) { put_plan(out, *plan); }
}

Result<Announcement> read_announcement(std::string_view body, int64_t clock_offset_ns) {
  FieldReader in(body);
  Announcement announcement;
  announcement.checkpoint = in.number<int64_t>();
  announcement.position = in.number<uint32_t>();
  if (!in.ok() || announcement.checkpoint <= 0 || announcement.checkpoint > UINT32_MAX) {
    return malformed("the announcement of a barrier");
  }
  if (!in.rest().empty()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(announcement.plan, read_plan(in, clock_offset_ns));
  }
  return announcement;
}

ExchangeCompression compress(ExchangeCompression how, std::string_view rows, std::string& out) {
  constexpr size_t kWorthwhileBytes = 256;
  if (how == ExchangeCompression::kNone || rows.size() < kWorthwhileBytes ||
      rows.size() > std::numeric_limits<int32_t>::max() / 2) {
    return ExchangeCompression::kNone;
  }
  const size_t start = out.size();
  put_number(out, static_cast<uint32_t>(rows.size()));
  const size_t head = out.size();
  size_t size = 0;
  switch (how) {
    case ExchangeCompression::kNone: break;
    case ExchangeCompression::kLz4: {
      out.resize(head + static_cast<size_t>(LZ4_compressBound(static_cast<int>(rows.size()))));
      size = static_cast<size_t>(LZ4_compress_default(rows.data(), out.data() + head,
                                                      static_cast<int>(rows.size()),
                                                      static_cast<int>(out.size() - head)));
      break;
    }
    case ExchangeCompression::kZstd: {
      out.resize(head + ZSTD_compressBound(rows.size()));
      size = ZSTD_compress(out.data() + head, out.size() - head, rows.data(), rows.size(), 1);
      if (ZSTD_isError(size) != 0) { size = 0; }
      break;
    }
    case ExchangeCompression::kSnappy: {
      out.resize(head + snappy::MaxCompressedLength(rows.size()));
      snappy::RawCompress(rows.data(), rows.size(), out.data() + head, &size);
      break;
    }
  }
  if (size == 0 || size >= rows.size() || rows.size() / size >= kRatioMax) {
    out.resize(start);
    return ExchangeCompression::kNone;
  }
  out.resize(head + size);
  return how;
}

Status uncompress(ExchangeCompression how, std::string_view body, size_t bytes_max,
                  std::string& out) {
  FieldReader in(body);
  const size_t size = in.number<uint32_t>();
  const std::string_view bytes = in.rest();
  if (!in.ok() || size > bytes_max || bytes.size() > std::numeric_limits<int32_t>::max() ||
      size / kRatioMax > bytes.size()) {
    return malformed("a compressed batch");
  }
  out.resize(size);
  bool ok = false;
  switch (how) {
    case ExchangeCompression::kNone: break;
    case ExchangeCompression::kLz4:
      ok = LZ4_decompress_safe(bytes.data(), out.data(), static_cast<int>(bytes.size()),
                               static_cast<int>(size)) == static_cast<int>(size);
      break;
    case ExchangeCompression::kZstd:
      ok = ZSTD_decompress(out.data(), size, bytes.data(), bytes.size()) == size;
      break;
    case ExchangeCompression::kSnappy: {
      size_t length = 0;
      ok = snappy::GetUncompressedLength(bytes.data(), bytes.size(), &length) && length == size &&
           snappy::RawUncompress(bytes.data(), bytes.size(), out.data());
      break;
    }
  }
  return ok ? ok_status() : malformed("a compressed batch");
}

}  // namespace tidewheel::exchange
