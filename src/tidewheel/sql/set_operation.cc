#include "tidewheel/sql/set_operation.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "tidewheel/sql/keyed_operator.h"
#include "tidewheel/sql/row_output.h"

namespace tidewheel::sql {

// How often a row is on each side.
struct SideCounts {
  int64_t left = 0;
  int64_t right = 0;
};

namespace {

constexpr char kName[] = "set operation";

std::vector<int32_t> columns_of(const RowType& type) {
  std::vector<int32_t> columns(type.size());
  std::iota(columns.begin(), columns.end(), 0);
  return columns;
}

// The row is the key of the state: there is nothing else to keep of it.
template <class K>
class SetOperation final : public KeyedOperator<K> {
  using Base = KeyedOperator<K>;
  using Base::output;
  using Base::store_;

 public:
  explicit SetOperation(SetOperationSpec spec)
      : Base(kName),
        spec_(std::move(spec)),
        keys_{KeyReader(spec_.left.types, columns_of(spec_.left)),
              KeyReader(spec_.right.types, columns_of(spec_.right))},
        out_(spec_.left.types, spec_.output.types, false) {
    this->set_layout("rows " + keys_[0].describe());
  }

  Status open(OperatorContext& context) override {
    TIDEWHEEL_RETURN_IF_ERROR(this->make_store(context));
    StateOptions options;
    options.ttl = Duration(spec_.ttl_ms);
    TIDEWHEEL_ASSIGN_OR_RETURN(counts_,
                               store_->template declare<ValueCell<SideCounts>>("counts", options));
    return this->read_store();
  }

  Progress on_rows(int32_t input, const Element& rows, uint32_t& cursor) override {
    return this->take_chunks(rows, cursor, kChunk,
                             [&](const ColumnBatch& in, uint32_t& begin, uint32_t end) {
                               take(input == 0, in, begin, end);
                               begin = end;
                             });
  }

 private:
  static constexpr uint32_t kChunk = 256;

  void take(bool is_left, const ColumnBatch& in, uint32_t begin, uint32_t end) {
    const std::span<const K> keys = keys_[is_left ? 0 : 1].template keys<K>(in, begin, end);
    KeyedBatch batch(*store_, 0, end - begin, [&](uint32_t i) -> const K& { return keys[i]; });
    for (uint32_t row = begin; row < end; ++row) {
      batch.select(row - begin);
      take_row(is_left, row, is_retraction(in.kind(row)));
    }
    out_.emit(output(), &in);
  }
  void take_row(bool is_left, uint32_t row, bool retracts) {
    std::byte* state = retracts ? store_->current_row() : store_->ensure_row();
    auto* const found = state == nullptr ? nullptr : counts_->find(state);
    SideCounts counts = found == nullptr ? SideCounts{} : found->value;
    int64_t& count = is_left ? counts.left : counts.right;
    // What takes back what never came, or is forgotten, is passed over.
    if (retracts && count == 0) { return; }
    const int64_t before = copies(counts);
    count += retracts ? -1 : 1;
    const int64_t after = copies(counts);
    if (counts.left == 0 && counts.right == 0) {
      store_->clear_cell(state, *counts_);
    } else {
      counts_->open(state).value = counts;
    }
    // One row of an input changes the result by one copy at most.
    if (after > before) { out_.add(row, {}, {}, RowKind::kInsert); }
    if (after < before) { out_.add(row, {}, {}, RowKind::kDelete); }
  }
  int64_t copies(const SideCounts& counts) const {
    if (spec_.is_intersect) {
      const int64_t both = std::min(counts.left, counts.right);
      return spec_.all ? both : std::min<int64_t>(both, 1);
    }
    if (spec_.all) { return std::max<int64_t>(counts.left - counts.right, 0); }
    return counts.left > 0 && counts.right == 0 ? 1 : 0;
  }

  const SetOperationSpec spec_;
  KeyReader keys_[2];
  RowOutput out_;
  ValueCell<SideCounts>* counts_ = nullptr;
};

}  // namespace

Result<std::unique_ptr<Operator>> make_set_operation(SetOperationSpec spec) {
  const bool is_int = KeyReader(spec.left.types, columns_of(spec.left)).is_int();
  return make_by_key<SetOperation>(is_int, std::move(spec));
}

}  // namespace tidewheel::sql
