#include "tidewheel/sql/changelog_normalize.h"

#include <cstring>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "tidewheel/sql/best_row_cell.h"
#include "tidewheel/sql/keyed_operator.h"
#include "tidewheel/sql/row_output.h"

namespace tidewheel::sql {
namespace {

constexpr char kName[] = "changelog normalize";

template <class K>
class ChangelogNormalize final : public KeyedOperator<K> {
  using Base = KeyedOperator<K>;
  using Base::output;
  using Base::store_;

 public:
  explicit ChangelogNormalize(ChangelogNormalizeSpec spec)
      : Base(kName),
        spec_(std::move(spec)),
        keys_(spec_.input.types, spec_.keys),
        bytes_(spec_.input.types, RowBytes::Form::kCanonical),
        out_(spec_.input.types, spec_.input.types, false) {
    std::vector<int32_t> all(spec_.input.size());
    std::iota(all.begin(), all.end(), 0);
    this->set_layout("last row of " + keys_.describe() + ": " +
                     KeyReader(spec_.input.types, std::move(all)).describe());
  }

  Status open(OperatorContext& context) override {
    TIDEWHEEL_RETURN_IF_ERROR(this->make_store(context));
    StateOptions options;
    options.ttl = Duration(spec_.ttl_ms);
    TIDEWHEEL_ASSIGN_OR_RETURN(last_, store_->template declare<BestRowCell>("row", options));
    return this->read_store();
  }

  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    return this->take_chunks(rows, cursor, kChunk,
                             [&](const ColumnBatch& in, uint32_t& begin, uint32_t end) {
                               take(in, begin, end);
                               begin = end;
                             });
  }

 private:
  static constexpr uint32_t kChunk = 256;

  void take(const ColumnBatch& in, uint32_t begin, uint32_t end) {
    const uint32_t count = end - begin;
    arena_.recycle();
    if (!arena_) { arena_ = Arena::create(); }
    const std::span<const K> keys = keys_.template keys<K>(in, begin, end);
    rows_.resize(count);
    std::iota(rows_.begin(), rows_.end(), begin);
    encoded_.resize(count);
    bytes_.encode(in.views(), rows_, *arena_, encoded_.data());
    KeyedBatch batch(*store_, 0, count, [&](uint32_t i) -> const K& { return keys[i]; });
    out_.begin(true);
    for (uint32_t i = 0; i < count; ++i) {
      batch.select(i);
      const RowKind kind = in.kind(begin + i);
      if (kind == RowKind::kDelete) {
        remove();
      } else if (kind != RowKind::kUpdateBefore) {
        set(begin + i, encoded_[i]);
      }
    }
    out_.share_bytes(arena_);
    out_.emit(output(), &in);
  }

  // A copy of what the key has, or nothing.
  Text kept(std::byte* state) {
    BestRowCell::Best* const found = state == nullptr ? nullptr : last_->find(state);
    return found == nullptr ? Text() : arena_->copy(last_->row_of(*found));
  }
  void remove() {
    std::byte* const state = store_->current_row();
    const Text before = kept(state);
    if (before.empty()) { return; }
    out_.add(RowOutput::kNoRow, before, {}, RowKind::kDelete);
    store_->clear_cell(state, *last_);
  }
  void set(uint32_t row, const Text& bytes) {
    std::byte* const state = store_->ensure_row();
    BestRowCell::Best* const found = last_->find(state);
    if (found != nullptr) {
      const Text before = last_->row_of(*found);
      if (before == bytes) { return; }
      out_.add(RowOutput::kNoRow, arena_->copy(before), {}, RowKind::kUpdateBefore);
      out_.add(row, {}, {}, RowKind::kUpdateAfter);
    } else {
      out_.add(row, {}, {}, RowKind::kInsert);
    }
    const BestRowCell::Best& made =
        last_->put(state, Text(""), static_cast<uint32_t>(bytes.size()));
    std::memcpy(const_cast<char*>(last_->row_of(made).data()), bytes.data(), bytes.size());
  }

  const ChangelogNormalizeSpec spec_;
  KeyReader keys_;
  RowBytes bytes_;
  RowOutput out_;
  BestRowCell* last_ = nullptr;
  ArenaRef arena_;
  std::vector<uint32_t> rows_;
  std::vector<Text> encoded_;
};

}  // namespace

Result<std::unique_ptr<Operator>> make_changelog_normalize(ChangelogNormalizeSpec spec) {
  const bool is_int = KeyReader(spec.input.types, spec.keys).is_int();
  return make_by_key<ChangelogNormalize>(is_int, std::move(spec));
}

}  // namespace tidewheel::sql
