#include "tidewheel/sql/local_aggregate.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "tidewheel/base/memory_pool.h"
#include "tidewheel/operators/operator_base.h"
#include "tidewheel/operators/user_failure.h"
#include "tidewheel/sql/aggregate_state.h"
#include "tidewheel/sql/column_output.h"
#include "tidewheel/sql/keyed_operator.h"
#include "tidewheel/sql/local_calls.h"
#include "tidewheel/state/keyed_table.h"
#include "tidewheel/types/serde.h"
#include "tidewheel/types/stored.h"

namespace tidewheel::sql {
namespace {

constexpr char kName[] = "local aggregate";

template <class K>
class LocalAggregate final : public OutputOperator<ColumnRow> {
 public:
  LocalAggregate(LocalAggregateSpec spec, AggregateSet set)
      : spec_(std::move(spec)),
        set_(std::move(set)),
        local_calls_(set_),
        keys_(spec_.input.types, spec_.keys),
        output_types_(local_aggregate_output(spec_).types) {}

  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    const ColumnBatch& in = ColumnBatch::of(*rows.batch);
    while (cursor < rows.end) {
      if (!ready()) { return Progress::kBlocked; }
      const uint32_t end = std::min(rows.end, cursor + kRowsMax);
      try {
        aggregate(in, cursor, end);
      } catch (...) { rethrow_user_failure(context(), kName, ""); }
      cursor = end;
    }
    return Progress::kDone;
  }

 private:
  static constexpr uint32_t kRowsMax = 4096;  // at a time

  // The groups of some rows. Made anew each time: most keys of a batch do not come in the next.
  struct Groups {
    Groups(KeyGroupRange range, int32_t max_parallelism, MemoryPool* memory)
        : index(range, max_parallelism, memory, kName), heap(memory) {}
    KeyedTable<K, uint32_t> index;
    ArenaRef arena = Arena::create();
    TextHeap heap;
  };

  void aggregate(const ColumnBatch& in, uint32_t begin, uint32_t end) {
    Groups groups(context().key_groups(), context().max_parallelism(), &context().memory());
    find_cells(in, begin, end, groups);
    local_calls_.add(in, rows_, cells_.data(), groups.heap);
    send(in);
    for (std::byte* const cell : group_cells_) { set_.release(cell, groups.heap); }
  }
  void find_cells(const ColumnBatch& in, uint32_t begin, uint32_t end, Groups& groups) {
    const std::span<const K> keys = keys_.template keys<K>(in, begin, end);
    rows_.resize(end - begin);
    cells_.resize(end - begin);
    group_cells_.clear();
    group_rows_.clear();
    for (uint32_t i = 0; i < end - begin; ++i) {
      bool is_new = false;
      uint32_t& number =
          groups.index.upsert(keys[i], key_hash(keys[i], context().max_parallelism()), is_new);
      if (is_new) {
        number = static_cast<uint32_t>(group_cells_.size());
        const size_t words = set_.bytes() / sizeof(uint64_t) + 1;
        char* const bytes = groups.arena->allocate((words + 1) * sizeof(uint64_t));
        auto* const cell =
            reinterpret_cast<std::byte*>((reinterpret_cast<uintptr_t>(bytes) + 7) & ~uintptr_t{7});
        set_.init(cell);
        group_cells_.push_back(cell);
        group_rows_.push_back(begin + i);
      }
      rows_[i] = begin + i;
      cells_[i] = group_cells_[number];
    }
  }

  void send(const ColumnBatch& in) {
    const size_t key_count = spec_.keys.size();
    emit_columns(output(), output_types_, group_cells_.size(),
                 [&](ColumnBatch& out, size_t begin, size_t end) {
                   const uint32_t at = out.size();
                   const auto rows = std::span(group_rows_).subspan(begin, end - begin);
                   for (size_t c = 0; c < key_count; ++c) {
                     gather(in.view(static_cast<size_t>(spec_.keys[c])), rows, out.column(c), at,
                            &out.arena());
                   }
                   Column& partial = out.column(key_count);
                   partial.ensure(at + static_cast<uint32_t>(end - begin));
                   for (size_t i = begin; i < end; ++i) {
                     bytes_.clear();
                     set_.encode(group_cells_[i], bytes_);
                     partial.values<Text>()[at + i - begin] = out.arena().copy(bytes_.view());
                   }
                 });
  }

  const LocalAggregateSpec spec_;
  const AggregateSet set_;
  LocalCalls local_calls_;
  KeyReader keys_;
  const std::vector<LogicalType> output_types_;
  // Of the rows at hand, and of their groups: the first row, and the accumulators.
  std::vector<uint32_t> rows_;
  std::vector<std::byte*> cells_;
  std::vector<uint32_t> group_rows_;
  std::vector<std::byte*> group_cells_;
  Writer bytes_;
};

}  // namespace

bool can_have_two_phases(const std::vector<AggregateCall>& calls) {
  return !calls.empty() && std::all_of(calls.begin(), calls.end(), [](const AggregateCall& call) {
    const bool is_extreme =
        call.function == AggregateFunction::kMin || call.function == AggregateFunction::kMax;
    return has_accumulator(call, /*retracts=*/false) && (!call.distinct || is_extreme) &&
           call.result.children.empty();
  });
}

RowType local_aggregate_output(const LocalAggregateSpec& spec) {
  RowType output = keys_and_results(spec.input, spec.keys, {});
  output.add("$partial",
             LogicalType::with(TypeKind::kVarbinary, LogicalType::kMaxLength, 0, false));
  return output;
}

Result<std::unique_ptr<Operator>> make_local_aggregate(LocalAggregateSpec spec) {
  TIDEWHEEL_ASSIGN_OR_RETURN(auto set, AggregateSet::make(spec.input.types, spec.calls,
                                                          /*retracts=*/false,
                                                          /*counts_rows=*/false));
  const bool is_int = KeyReader(spec.input.types, spec.keys).is_int();
  return make_by_key<LocalAggregate>(is_int, std::move(spec), std::move(set));
}

}  // namespace tidewheel::sql
