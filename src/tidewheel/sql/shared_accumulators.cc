#include "tidewheel/sql/shared_accumulators.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "tidewheel/sql/accumulator_values.h"
#include "tidewheel/types/serde.h"

namespace tidewheel::sql {
namespace {

using F = AggregateFunction;

enum class Part : uint8_t { kSum, kLeast, kGreatest };

// What is kept beside the number of values. Without a value the least is what no other is less
// than, and the greatest the other way.
template <class W>
W identity_of(Part part) {
  if (part == Part::kSum) { return W{}; }
  if constexpr (std::is_same_v<W, double>) {
    return part == Part::kLeast ? std::numeric_limits<double>::quiet_NaN()
                                : -std::numeric_limits<double>::infinity();
  } else {
    return part == Part::kLeast ? std::numeric_limits<W>::max() : std::numeric_limits<W>::min();
  }
}
template <class W>
W merged(Part part, W a, W b) {
  if (part == Part::kSum) { return wrapping_add(a, b); }
  if (part == Part::kLeast) { return is_less(b, a) ? b : a; }
  return is_less(a, b) ? b : a;
}

// The state of some calls, and what it has been, row by row, for those that come after the first.
// In the cell are the number of values, and the parts that are wanted.
template <class W>
class SharedValues {
 public:
  SharedValues(int32_t argument, Physical physical) : argument_(argument), physical_(physical) {}

  void want(Part part) {
    if (std::find(parts_.begin(), parts_.end(), part) == parts_.end()) {
      parts_.push_back(part);
      std::sort(parts_.begin(), parts_.end());
    }
  }
  size_t bytes() const { return sizeof(int64_t) + parts_.size() * sizeof(W); }
  // Whose place in the cell it has.
  void belong_to(const Accumulator& first) { first_ = &first; }

  int64_t& count(std::byte* cell) const { return *reinterpret_cast<int64_t*>(cell + offset()); }
  int64_t count(const std::byte* cell) const {
    return *reinterpret_cast<const int64_t*>(cell + offset());
  }
  W& value(std::byte* cell, Part part) const { return values(cell)[index_of(part)]; }
  W value(const std::byte* cell, Part part) const {
    return reinterpret_cast<const W*>(cell + offset() + sizeof(int64_t))[index_of(part)];
  }
  void init(std::byte* cell) const {
    count(cell) = 0;
    for (size_t i = 0; i < parts_.size(); ++i) { values(cell)[i] = identity_of<W>(parts_[i]); }
  }
  void merge(std::byte* cell, const std::byte* from) const {
    if (count(from) == 0) { return; }
    count(cell) += count(from);
    for (const Part part : parts_) {
      value(cell, part) = merged(part, value(cell, part), value(from, part));
    }
  }

  // Adds rows. `notes_before`, `notes_after`: what the state was before and after each of them.
  void run(const AccumulatorInput& input, bool notes_before, bool notes_after) {
    counts_.resize(input.rows.size() * ((notes_before ? 1U : 0U) + (notes_after ? 1U : 0U)));
    for (size_t i = 0; i < parts_.size(); ++i) { notes_[i].resize(counts_.size()); }
    const W* const from =
        wide_values<W>(input.batch->view(static_cast<size_t>(argument_)), physical_, input, wide_);
    with_parts([&]<bool kSum, bool kLeast, bool kGreatest>() {
      if (notes_before) {
        rows_of<kSum, kLeast, kGreatest, true, true>(input, from);
      } else if (notes_after) {
        rows_of<kSum, kLeast, kGreatest, false, true>(input, from);
      } else {
        rows_of<kSum, kLeast, kGreatest, false, false>(input, from);
      }
    });
  }
  std::span<const int64_t> noted_counts() const { return counts_; }
  const W* noted(Part part) const { return notes_[index_of(part)].data(); }

 private:
  // A copy of a cell's state, in registers.
  template <bool kSum, bool kLeast, bool kGreatest>
  struct State {
    int64_t count = 0;
    W sum{};
    W least{};
    W greatest{};

    State() { reset(); }
    void reset() {
      count = 0;
      sum = W{};
      least = identity_of<W>(Part::kLeast);
      greatest = identity_of<W>(Part::kGreatest);
    }
    void load(const std::byte* at) {
      count = *reinterpret_cast<const int64_t*>(at);
      const W* from = reinterpret_cast<const W*>(at + sizeof(int64_t));
      if constexpr (kSum) { sum = *from++; }
      if constexpr (kLeast) { least = *from++; }
      if constexpr (kGreatest) { greatest = *from; }
    }
    void store(std::byte* at) const {
      *reinterpret_cast<int64_t*>(at) = count;
      W* to = reinterpret_cast<W*>(at + sizeof(int64_t));
      if constexpr (kSum) { *to++ = sum; }
      if constexpr (kLeast) { *to++ = least; }
      if constexpr (kGreatest) { *to = greatest; }
    }
    void add(W value, int64_t weight) {
      if (weight == 0) { return; }
      count += weight;
      if constexpr (kSum) { sum = wrapping_add(sum, signed_by(value, weight)); }
      if constexpr (kLeast) { least = is_less(value, least) ? value : least; }
      if constexpr (kGreatest) { greatest = is_less(greatest, value) ? value : greatest; }
    }
    void note(SharedValues& to, size_t at) const {
      to.counts_[at] = count;
      if constexpr (kSum) { to.notes_[0][at] = sum; }
      if constexpr (kLeast) { to.notes_[kSum ? 1 : 0][at] = least; }
      if constexpr (kGreatest) { to.notes_[(kSum ? 1 : 0) + (kLeast ? 1 : 0)][at] = greatest; }
    }
  };

  size_t index_of(Part part) const {
    return static_cast<size_t>(std::find(parts_.begin(), parts_.end(), part) - parts_.begin());
  }
  bool has(Part part) const { return index_of(part) < parts_.size(); }
  size_t offset() const { return first_->offset(); }
  W* values(std::byte* cell) const {
    return reinterpret_cast<W*>(cell + offset() + sizeof(int64_t));
  }
  template <class Do>
  void with_parts(Do run) {
    const auto with_sum = [&]<bool kSum>() {
      if (has(Part::kLeast)) {
        has(Part::kGreatest) ? run.template operator()<kSum, true, true>()
                             : run.template operator()<kSum, true, false>();
      } else {
        has(Part::kGreatest) ? run.template operator()<kSum, false, true>()
                             : run.template operator()<kSum, false, false>();
      }
    };
    has(Part::kSum) ? with_sum.template operator()<true>() : with_sum.template operator()<false>();
  }
  template <bool kSum, bool kLeast, bool kGreatest, bool kBefore, bool kAfter>
  void rows_of(const AccumulatorInput& input, const W* from) {
    State<kSum, kLeast, kGreatest> state;
    const size_t count = input.rows.size();
    const size_t place = offset();
    const auto step = [&](size_t i) {
      if constexpr (kBefore) { state.note(*this, 2 * i); }
      state.add(from[i], input.weights == nullptr ? 1 : input.weights[i]);
      if constexpr (kAfter) { state.note(*this, kBefore ? 2 * i + 1 : i); }
      if (input.resets != nullptr && input.resets[i] != 0) { state.reset(); }
    };
    if (input.has_one_cell && count > 0) {
      state.load(input.cells[0] + place);
      for (size_t i = 0; i < count; ++i) { step(i); }
      state.store(input.cells[0] + place);
      return;
    }
    for (size_t i = 0; i < count; ++i) {
      std::byte* const at = input.cells[i] + place;
      state.load(at);
      step(i);
      state.store(at);
    }
  }

  const int32_t argument_;
  const Physical physical_;
  const Accumulator* first_ = nullptr;
  std::vector<Part> parts_;
  std::vector<W> wide_;  // scratch
  std::vector<int64_t> counts_;
  std::vector<W> notes_[3];  // by index in parts_
};

// to[i] = sums[i] / counts[i], cut; 0 where there is no value.
void divide(const int64_t* sums, const int64_t* counts, size_t size, int64_t* to) {
  // Where neither has more digits than a double, a division of doubles gives what, cut, is the
  // quotient: one that is no integer differs from the next by more than is rounded.
  uint64_t bits = 0;
  bool all = true;
  for (size_t i = 0; i < size; ++i) {
    bits |= static_cast<uint64_t>(sums[i] ^ (sums[i] >> 63)) | static_cast<uint64_t>(counts[i]);
    all &= counts[i] > 0;
  }
  if (all && bits >> 52 == 0) {
    for (size_t i = 0; i < size; ++i) {
      to[i] = static_cast<int64_t>(static_cast<double>(sums[i]) / static_cast<double>(counts[i]));
    }
    return;
  }
  for (size_t i = 0; i < size; ++i) { to[i] = counts[i] <= 0 ? 0 : sums[i] / counts[i]; }
}
void divide(const double* sums, const int64_t* counts, size_t size, double* to) {
  for (size_t i = 0; i < size; ++i) {
    to[i] = counts[i] <= 0 ? 0 : sums[i] / static_cast<double>(counts[i]);
  }
}

template <class W>
class SharedAccumulator final : public Accumulator {
 public:
  // The first one of a state has its bytes.
  SharedAccumulator(F function, std::shared_ptr<SharedValues<W>> values, bool is_first)
      : Accumulator(is_first ? values->bytes() : 0),
        function_(function),
        part_(part_of(function)),
        values_(std::move(values)),
        is_first_(is_first) {
    if (is_first_) { values_->belong_to(*this); }
  }

  static Part part_of(F function) {
    return function == F::kMin ? Part::kLeast : function == F::kMax ? Part::kGreatest : Part::kSum;
  }

  void describe(Schema& row) const override {
    add_field(row, part_ == Part::kSum ? "sum" : "value", schema_of<W>());
    add_field(row, "count", schema_of<int64_t>());
  }
  void init(std::byte* cell) const override {
    if (is_first_) { values_->init(cell); }
  }
  void add(const AccumulatorInput& input) override {
    if (is_first_) { values_->run(input, false, false); }
  }
  void fold(const AccumulatorInput& input, Column& results, Arena&) override {
    if (is_first_) { values_->run(input, true, true); }
    give(results);
  }
  void fold_after(const AccumulatorInput& input, Column& results, Arena&) override {
    if (is_first_) { values_->run(input, false, true); }
    give(results);
  }
  void results(std::span<std::byte* const> cells, Column& column, uint32_t at, uint32_t stride,
               Arena&) override {
    WideResults<W> results(column, at, stride, cells.size());
    for (size_t i = 0; i < cells.size(); ++i) {
      const int64_t count = values_->count(cells[i]);
      W& to = results.values()[i * stride];
      to = count > 0 ? values_->value(cells[i], part_) : W{};
      if (function_ == F::kAvg && count > 0) { to /= static_cast<W>(count); }
      if (has_null(count)) { results.set_null(i * stride); }
    }
    results.finish();
  }
  void merge(std::byte* cell, const std::byte* from, TextHeap&) const override {
    if (is_first_) { values_->merge(cell, from); }
  }
  void encode(const std::byte* cell, Writer& out) const override {
    const int64_t count = values_->count(cell);
    out.fixed(count == 0 && part_ != Part::kSum ? W{} : values_->value(cell, part_));
    out.fixed(count);
  }
  void decode(Reader& in, std::byte* cell, TextHeap&) const override {
    const W value = in.fixed<W>();
    const auto count = in.fixed<int64_t>();
    values_->count(cell) = count;
    values_->value(cell, part_) = count == 0 && part_ != Part::kSum ? identity_of<W>(part_) : value;
  }

 private:
  bool has_null(int64_t count) const { return count <= 0 && function_ != F::kSum0; }
  // What `run` has noted.
  void give(Column& column) {
    const std::span<const int64_t> counts = values_->noted_counts();
    const W* const from = values_->noted(part_);
    WideResults<W> results(column, 0, 1, counts.size());
    if (function_ == F::kAvg) {
      divide(from, counts.data(), counts.size(), results.values());
    } else {
      std::copy_n(from, counts.size(), results.values());
    }
    const bool any = std::any_of(counts.begin(), counts.end(), [](int64_t n) { return n <= 0; });
    for (size_t i = 0; any && i < counts.size(); ++i) {
      if (counts[i] > 0) { continue; }
      results.values()[i] = W{};
      if (has_null(counts[i])) { results.set_null(i); }
    }
    results.finish();
  }

  const F function_;
  const Part part_;
  const std::shared_ptr<SharedValues<W>> values_;
  const bool is_first_;
};

bool is_integer(Physical physical) {
  return physical >= Physical::kInt8 && physical <= Physical::kInt64;
}
bool is_real(Physical physical) {
  return physical == Physical::kFloat || physical == Physical::kDouble;
}

// Whether the call may have its state with others.
bool can_share(const AggregateCall& call, const std::vector<LogicalType>& input, bool retracts) {
  switch (call.function) {
    case F::kSum:
    case F::kSum0:
    case F::kAvg:
    case F::kMin:
    case F::kMax: break;
    default: return false;
  }
  const Physical physical = input[static_cast<size_t>(call.arguments[0])].physical();
  return !call.distinct && has_accumulator(call, retracts) &&
         call.result.kind != TypeKind::kDecimal && (is_integer(physical) || is_real(physical));
}

// The accumulators of the calls `members`, all of one argument.
template <class W>
void share(const std::vector<AggregateCall>& calls, const std::vector<size_t>& members,
           Physical physical, std::vector<std::unique_ptr<Accumulator>>& made) {
  const auto values = std::make_shared<SharedValues<W>>(calls[members[0]].arguments[0], physical);
  for (const size_t call : members) {
    values->want(SharedAccumulator<W>::part_of(calls[call].function));
  }
  for (const size_t call : members) {
    made[call] =
        std::make_unique<SharedAccumulator<W>>(calls[call].function, values, call == members[0]);
  }
}

}  // namespace

std::vector<std::unique_ptr<Accumulator>> make_shared_accumulators(
    const std::vector<AggregateCall>& calls, const std::vector<LogicalType>& input, bool retracts) {
  std::vector<std::unique_ptr<Accumulator>> made(calls.size());
  std::vector<size_t> members;
  for (size_t i = 0; i < calls.size(); ++i) {
    if (made[i] != nullptr || !can_share(calls[i], input, retracts)) { continue; }
    members.clear();
    for (size_t j = i; j < calls.size(); ++j) {
      if (can_share(calls[j], input, retracts) && calls[j].arguments == calls[i].arguments &&
          calls[j].filter == calls[i].filter) {
        members.push_back(j);
      }
    }
    if (members.size() == 1) { continue; }
    const Physical physical = input[static_cast<size_t>(calls[i].arguments[0])].physical();
    if (is_real(physical)) {
      share<double>(calls, members, physical, made);
    } else {
      share<int64_t>(calls, members, physical, made);
    }
  }
  return made;
}

}  // namespace tidewheel::sql
