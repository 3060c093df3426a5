#include "tidewheel/sql/lookup_join.h"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "tidewheel/base/clock.h"
#include "tidewheel/base/completion_gate.h"
#include "tidewheel/base/executor.h"
#include "tidewheel/dataflow/batch_pool.h"
#include "tidewheel/operators/operator_base.h"
#include "tidewheel/operators/user_failure.h"
#include "tidewheel/sql/keyed_operator.h"
#include "tidewheel/sql/lookup_cache.h"
#include "tidewheel/sql/lookup_pairs.h"
#include "tidewheel/sql/lookup_table.h"

namespace tidewheel::sql {
namespace {

constexpr char kName[] = "lookup join";
constexpr uint32_t kChunk = 256;
constexpr int64_t kMsNs = 1'000'000;

// What both kinds have in common: calls on the blocking pool, whose answers come back as mail.
class LookupOperator : public OutputOperator<ColumnRow> {
 public:
  Status open(OperatorContext& context) override {
    TIDEWHEEL_RETURN_IF_ERROR(OutputOperator<ColumnRow>::open(context));
    pool_ = BatchPool::create_for<ColumnRow>(kChunk, &context.memory());
    TIDEWHEEL_ASSIGN_OR_RETURN(reader_, spec_.make_reader(context.files()));
    return {};
  }
  Progress on_wake() override {
    waits_ = false;
    return Progress::kDone;
  }
  std::optional<int64_t> waits_until_ns() const override {
    return waits_ ? std::optional(wake_at_ns()) : std::nullopt;
  }
  void close(bool finished) override {
    gate_->close();
    OutputOperator<ColumnRow>::close(finished);
  }

 protected:
  LookupOperator(LookupJoinSpec spec, std::unique_ptr<PairFilter> filter)
      : spec_(std::move(spec)),
        keys_(spec_.input.types, spec_.input_keys),
        pairs_(spec_.input.types, spec_.table.types, lookup_join_output(spec_).types, spec_.pads,
               std::move(filter)) {}

  // Runs `call` on the blocking pool, then `done` on the task's thread.
  template <class Call, class Done>
  void run(Call call, Done done) {
    context().executor().run_blocking([reader = reader_, gate = gate_, context = &context(),
                                       call = std::move(call), done = std::move(done)]() mutable {
      Status status;
      try {
        status = call(*reader);
      } catch (const std::exception& thrown) {
        status = internal_error(ErrorId::kUserCodeThrew, "the table threw: {}", thrown.what());
      }
      if (!gate->enter()) { return; }
      context->post([gate, context, status = std::move(status), done = std::move(done)]() mutable {
        if (!gate->enter()) { return; }
        gate->leave();
        done(std::move(status));
        context->wake();
      });
      gate->leave();
    });
  }
  BatchRef new_batch(const std::vector<LogicalType>& types) {
    BatchRef batch = BatchRef::adopt(pool_->acquire());
    filled(batch).set_types(types);
    return batch;
  }
  static ColumnBatch& filled(const BatchRef& batch) {
    return const_cast<ColumnBatch&>(ColumnBatch::of(*batch));
  }
  Progress wait() {
    waits_ = true;
    return Progress::kBlocked;
  }
  // When a refused call is to be made again though nobody wakes the operator.
  virtual int64_t wake_at_ns() const { return Clock::kNever; }
  void fail(const Status& status) { throw_user_failure(context(), kName, status, ""); }
  int64_t now_ns() { return context().clock().now_ns(); }
  int64_t wall_ms() { return context().clock().wall_ms(); }

  const LookupJoinSpec spec_;
  KeyReader keys_;
  LookupPairs pairs_;
  bool waits_ = false;

 private:
  std::shared_ptr<BatchPool> pool_;
  std::shared_ptr<RowLookup> reader_;
  const std::shared_ptr<CompletionGate> gate_ = CompletionGate::create();
};

// ---- With the whole table in memory.

template <class K>
class FullLookupJoin final : public LookupOperator {
 public:
  FullLookupJoin(LookupJoinSpec spec, std::unique_ptr<PairFilter> filter)
      : LookupOperator(std::move(spec), std::move(filter)) {}

  Status open(OperatorContext& context) override {
    TIDEWHEEL_RETURN_IF_ERROR(LookupOperator::open(context));
    load();
    return {};
  }

  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    waits_ = false;
    if (!failure_.ok()) { fail(failure_); }
    if (table_ == nullptr) { return wait(); }
    const ColumnBatch& in = ColumnBatch::of(*rows.batch);
    while (cursor < rows.end) {
      if (!ready()) { return Progress::kBlocked; }
      const uint32_t end = std::min(rows.end, cursor + kFullChunk);
      try {
        join(in, cursor, end);
      } catch (...) { rethrow_user_failure(context(), kName, ""); }
      cursor = end;
    }
    return Progress::kDone;
  }
  Progress on_processing_time(int64_t) override {
    if (reload_ms_ != Clock::kNever && wall_ms() >= reload_ms_) { load(); }
    return Progress::kDone;
  }
  Progress on_wake() override {
    // An idle stream fails too when its table can't be read.
    if (!failure_.ok()) { fail(failure_); }
    return LookupOperator::on_wake();
  }

 private:
  static constexpr uint32_t kFullChunk = 1024;

  void load() {
    reload_ms_ = Clock::kNever;
    const BatchRef batch = new_batch(spec_.stored.types);
    // The index is made over there too: it takes as long as reading.
    auto made = std::make_shared<std::unique_ptr<const LookupTable<K>>>();
    run(
        [batch, made, types = spec_.stored.types,
         key_columns = spec_.stored_keys](RowLookup& reader) -> Status {
          ColumnBatch& rows = filled(batch);
          TIDEWHEEL_RETURN_IF_ERROR(reader.load(rows));
          rows.seal();
          *made = std::make_unique<const LookupTable<K>>(batch, types, key_columns);
          return {};
        },
        [this, made](Status status) {
          failure_ = std::move(status);
          if (!failure_.ok()) { return; }
          table_ = std::move(*made);
          const int64_t every_ms = to_ms(spec_.caching.reload_every);
          if (every_ms <= 0) { return; }
          reload_ms_ = wall_ms() + every_ms;
          context().wake_at_wall_ms(reload_ms_);
        });
  }
  void join(const ColumnBatch& in, uint32_t begin, uint32_t end) {
    const std::span<const K> keys = keys_.template keys<K>(in, begin, end);
    nulls_.assign(end - begin, 0);
    keys_.find_nulls(in, begin, end, nulls_.data());
    const ColumnBatch* const rows = &table_->rows();
    for (uint32_t row = begin; row < end; ++row) {
      uint32_t found =
          nulls_[row - begin] != 0 ? LookupTable<K>::kNone : table_->find(keys[row - begin]);
      if (found == LookupTable<K>::kNone) { pairs_.add_missed(row); }
      for (; found != LookupTable<K>::kNone; found = table_->next(found)) {
        pairs_.add(row, rows, found);
      }
    }
    pairs_.emit(output(), in);
  }

  std::unique_ptr<const LookupTable<K>> table_;  // null before the first was read
  int64_t reload_ms_ = Clock::kNever;
  Status failure_;
  std::vector<uint8_t> nulls_;
};

// ---- By calls, with what they gave in a cache.

std::string key_bytes(const IntKey& key) {
  const int64_t value = key.value_or(0);
  return std::string(reinterpret_cast<const char*>(&value), sizeof(value));
}
std::string key_bytes(const Text& key) { return std::string(key.view()); }

template <class K>
class CallLookupJoin final : public LookupOperator {
 public:
  CallLookupJoin(LookupJoinSpec spec, std::unique_ptr<PairFilter> filter)
      : LookupOperator(std::move(spec), std::move(filter)), cache_(spec_.caching) {
    for (const int32_t key : spec_.input_keys) {
      key_types_.push_back(spec_.input.types[static_cast<size_t>(key)]);
    }
  }

  // Parts of the element are taken in order; the cursor stands before the first that has not left.
  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    waits_ = false;
    const ColumnBatch& in = ColumnBatch::of(*rows.batch);
    if (parts_.empty()) { begun_ = cursor; }
    while (true) {
      begin_parts(in, rows.end);
      if (!send_parts(in, cursor)) { return Progress::kBlocked; }
      if (parts_.empty() && begun_ == rows.end) {
        cursor = rows.end;
        return Progress::kDone;
      }
      if (may_begin(rows.end)) { continue; }
      return wait();
    }
  }

 private:
  // The rows [begin, end) of the element, and the keys that they ask for.
  struct Part {
    uint32_t begin = 0;
    uint32_t end = 0;
    std::vector<int32_t> key_of_row;  // index in `keys`; -1: NULL
    std::vector<std::string> keys;
    std::vector<uint32_t> row_of_key;  // one that has it
    std::vector<std::optional<LookupAnswer>> answers;
    std::vector<uint32_t> asked;  // the keys of the call under way
    bool is_running = false;
    int64_t deadline_ns = Clock::kNever;
    int64_t again_ns = Clock::kNever;  // when it is asked again
    int32_t attempts = 0;
    int32_t failures = 0;
    Status failure;

    bool is_done() const {
      return !is_running && again_ns == Clock::kNever &&
             std::all_of(answers.begin(), answers.end(),
                         [](const auto& answer) { return answer.has_value(); });
    }
  };
  using PartRef = std::shared_ptr<Part>;  // with the call that it waits for

  size_t parts_max() const { return spec_.is_async ? static_cast<size_t>(spec_.capacity) : 1; }
  bool may_begin(uint32_t end) const { return begun_ < end && parts_.size() < parts_max(); }

  void begin_parts(const ColumnBatch& in, uint32_t rows_end) {
    while (may_begin(rows_end)) {
      const uint32_t count = spec_.is_async ? 1 : kChunk;
      const PartRef part = std::make_shared<Part>();
      part->begin = begun_;
      part->end = begun_ = std::min(rows_end, begun_ + count);
      find_keys(in, *part);
      if (spec_.is_async && spec_.timeout_ms > 0) {
        part->deadline_ns = now_ns() + spec_.timeout_ms * kMsNs;
      }
      parts_.push_back(part);
      ask(in, part);
    }
  }
  void find_keys(const ColumnBatch& in, Part& part) {
    const uint32_t count = part.end - part.begin;
    const std::span<const K> keys = keys_.template keys<K>(in, part.begin, part.end);
    nulls_.assign(count, 0);
    keys_.find_nulls(in, part.begin, part.end, nulls_.data());
    std::map<std::string, int32_t> numbers;
    const int64_t now_ms = wall_ms();
    for (uint32_t i = 0; i < count; ++i) {
      if (nulls_[i] != 0) {
        part.key_of_row.push_back(-1);
        continue;
      }
      std::string key = key_bytes(keys[i]);
      const auto [it, is_new] = numbers.try_emplace(key, static_cast<int32_t>(part.keys.size()));
      part.key_of_row.push_back(it->second);
      if (!is_new) { continue; }
      const LookupAnswer* const known = cache_.find(key, now_ms);
      part.answers.push_back(known == nullptr ? std::nullopt : std::optional(*known));
      part.keys.push_back(std::move(key));
      part.row_of_key.push_back(part.begin + i);
    }
  }
  // Has the keys without an answer looked up.
  void ask(const ColumnBatch& in, const PartRef& part) {
    part->again_ns = Clock::kNever;
    part->asked.clear();
    std::vector<uint32_t> rows;
    for (uint32_t i = 0; i < part->keys.size(); ++i) {
      if (part->answers[i].has_value()) { continue; }
      part->asked.push_back(i);
      rows.push_back(part->row_of_key[i]);
    }
    if (rows.empty()) { return; }
    part->is_running = true;
    const BatchRef keys = new_batch(key_types_);
    for (size_t c = 0; c < spec_.input_keys.size(); ++c) {
      gather(in.view(static_cast<size_t>(spec_.input_keys[c])), rows, filled(keys).column(c), 0,
             &filled(keys).arena());
    }
    filled(keys).set_size(static_cast<uint32_t>(rows.size()));
    filled(keys).seal();
    const BatchRef found = new_batch(spec_.table.types);
    const auto owners = std::make_shared<std::vector<uint32_t>>();
    run(
        [keys, found, owners](RowLookup& reader) -> Status {
          LookedUpRows rows_found{&filled(found), {}};
          const ColumnBatch& asked = ColumnBatch::of(*keys);
          TIDEWHEEL_RETURN_IF_ERROR(reader.find(asked.views(), asked.size(), rows_found));
          filled(found).seal();
          *owners = std::move(rows_found.keys);
          return {};
        },
        [this, part, found, owners](Status status) {
          part->is_running = false;
          status.ok() ? take_answer(*part, found, *owners) : take_failure(*part, std::move(status));
        });
  }
  void take_answer(Part& part, const BatchRef& found, const std::vector<uint32_t>& owners) {
    ++part.attempts;
    std::vector<LookupAnswer> answers(part.asked.size());
    for (uint32_t row = 0; row < owners.size(); ++row) {
      LookupAnswer& answer = answers[owners[row]];
      answer.batch = found;
      answer.rows.push_back(row);
    }
    const int64_t now_ms = wall_ms();
    for (size_t i = 0; i < answers.size(); ++i) {
      if (answers[i].rows.empty() && part.attempts < spec_.attempts_max) {
        part.again_ns = now_ns() + spec_.retry_delay_ms * kMsNs;
        continue;
      }
      const uint32_t key = part.asked[i];
      cache_.put(part.keys[key], answers[i], now_ms);
      part.answers[key] = std::move(answers[i]);
    }
  }
  void take_failure(Part& part, Status status) {
    if (part.failures++ < spec_.failures_max) {
      part.again_ns = now_ns() + part.failures * kFailureDelayMs * kMsNs;
    } else {
      part.failure = std::move(status);
    }
  }

  // Sends what has its answers and may go, and has others asked again. False when the output has
  // refused.
  bool send_parts(const ColumnBatch& in, uint32_t& cursor) {
    const int64_t now = now_ns();
    for (auto it = parts_.begin(); it != parts_.end();) {
      Part& part = **it;
      if (!part.failure.ok()) { fail(part.failure); }
      if (part.is_done()) {
        if (spec_.is_ordered && it != parts_.begin()) {
          ++it;
          continue;
        }
        if (!ready()) { return false; }
        send(in, part);
        it = parts_.erase(it);
        if (it == parts_.begin()) { cursor = parts_.empty() ? begun_ : (*it)->begin; }
        continue;
      }
      if (now >= part.deadline_ns) {
        fail(deadline_exceeded(ErrorId::kUserCodeFailed,
                               "a lookup has taken longer than its timeout of {} ms",
                               spec_.timeout_ms));
      }
      if (!part.is_running && now >= part.again_ns) { ask(in, *it); }
      ++it;
    }
    return true;
  }
  void send(const ColumnBatch& in, const Part& part) {
    for (uint32_t row = part.begin; row < part.end; ++row) {
      const int32_t key = part.key_of_row[row - part.begin];
      const LookupAnswer* const answer =
          key < 0 ? nullptr : &*part.answers[static_cast<size_t>(key)];
      if (answer == nullptr || answer->rows.empty()) {
        pairs_.add_missed(row);
        continue;
      }
      for (const uint32_t found : answer->rows) {
        pairs_.add(row, &ColumnBatch::of(*answer->batch), found);
      }
    }
    try {
      pairs_.emit(output(), in);
    } catch (...) { rethrow_user_failure(context(), kName, ""); }
  }
  int64_t wake_at_ns() const override {
    int64_t at_ns = Clock::kNever;
    for (const PartRef& part : parts_) {
      at_ns = std::min({at_ns, part->deadline_ns, part->again_ns});
    }
    return at_ns;
  }

  static constexpr int64_t kFailureDelayMs = 1000;  // more each time

  std::vector<LogicalType> key_types_;
  LookupCache cache_;
  std::deque<PartRef> parts_;  // that have not left, in their order
  uint32_t begun_ = 0;         // behind the last of them
  std::vector<uint8_t> nulls_;
};

}  // namespace

RowType lookup_join_output(const LookupJoinSpec& spec) {
  RowType output = spec.input;
  for (size_t i = 0; i < spec.table.size(); ++i) {
    LogicalType type = spec.table.types[i];
    type.nullable = type.nullable || spec.pads;
    output.add(spec.table.names[i], std::move(type));
  }
  return output;
}

Result<std::unique_ptr<Operator>> make_lookup_join(LookupJoinSpec spec,
                                                   std::unique_ptr<PairFilter> filter) {
  const KeyReader keys(spec.input.types, spec.input_keys);
  if (spec.caching.kind != LookupCaching::Kind::kFull) {
    return make_by_key<CallLookupJoin>(keys.is_int(), std::move(spec), std::move(filter));
  }
  const KeyReader stored(spec.stored.types, spec.stored_keys);
  if (keys.describe() != stored.describe()) {
    return invalid_argument(ErrorId::kSqlType,
                            "the keys of a join have to be of the same types: {} and {}",
                            keys.describe(), stored.describe());
  }
  return make_by_key<FullLookupJoin>(keys.is_int(), std::move(spec), std::move(filter));
}

}  // namespace tidewheel::sql
