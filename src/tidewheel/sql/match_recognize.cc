// A key's rows are kept from the first row of the oldest match that has begun; of matches, what
// match_pattern.h says. Conditions are evaluated for all matches of a row together.
#include "tidewheel/sql/match_recognize.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tidewheel/base/clock.h"
#include "tidewheel/base/metrics.h"
#include "tidewheel/sql/column_output.h"
#include "tidewheel/sql/encoded_rows.h"
#include "tidewheel/sql/evaluator.h"
#include "tidewheel/sql/keyed_operator.h"
#include "tidewheel/sql/late_rows.h"
#include "tidewheel/sql/match_pattern.h"
#include "tidewheel/sql/ordered_bytes.h"
#include "tidewheel/sql/over_frames.h"

namespace tidewheel::sql {

// A row that has come in its turn, with its time.
struct MatchRow {
  int64_t time = 0;
  Text row;
};
struct SavedMatch {
  int64_t start = 0;
  Text elements;
  bool is_complete = false;
};
// The numbers of the next row that waits, and of the next one in the order of time.
struct MatchProgress {
  uint64_t next_waiting = 0;
  int64_t next = 0;
};

namespace {

constexpr char kName[] = "match";

// What lookups find for some matches at once, as columns.
class MatchColumns {
 public:
  static Result<std::unique_ptr<MatchColumns>> make(const MatchSpec& spec) {
    std::unique_ptr<MatchColumns> made(new MatchColumns(spec.lookups));
    for (const MatchLookup& lookup : spec.lookups) { made->columns_.emplace_back(lookup.type); }
    OverSpec aggregates;
    aggregates.input = spec.input;
    for (size_t i = 0; i < spec.lookups.size(); ++i) {
      made->call_of_.push_back(aggregates.calls.size());
      if (spec.lookups[i].kind != MatchLookup::Kind::kAggregate) { continue; }
      OverCall call;
      call.call = spec.lookups[i].call;
      // Each has steps of its own.
      call.frame.following = static_cast<int64_t>(i);
      aggregates.calls.push_back(std::move(call));
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(made->frames_, OverFrames::make(aggregates));
    return made;
  }
  ~MatchColumns() { scratch_.reset(); }

  Status open(OperatorContext& context) {
    scratch_.emplace(KeyGroupRange{0, 0}, 1, &context.memory(), context.clock(), "matches");
    return frames_->declare(*scratch_, "()");
  }

  // Looks up the columns `needed` for matches of rows that are in `rows` from number `base` on.
  // Valid until the next call.
  std::span<const ColumnView> look_up(const std::vector<int32_t>& needed,
                                      std::span<const Match> matches, const ColumnBatch& rows,
                                      std::span<const int64_t> times, int64_t base, Arena& arena) {
    bool aggregates = false;
    for (const int32_t index : needed) {
      Column& column = columns_[static_cast<size_t>(index)];
      column.clear();
      const MatchLookup& lookup = lookups_[static_cast<size_t>(index)];
      if (lookup.kind == MatchLookup::Kind::kAggregate) {
        aggregates = true;
      } else if (lookup.kind == MatchLookup::Kind::kTime) {
        column.ensure(static_cast<uint32_t>(matches.size()));
        for (size_t i = 0; i < matches.size(); ++i) {
          column.values<int64_t>()[i] = times[static_cast<size_t>(matches[i].last() - base)];
        }
      } else {
        put_rows(lookup, matches, rows, base, column, arena);
      }
    }
    if (aggregates) { aggregate(needed, matches, rows, base); }
    views_.assign(columns_.size(), ColumnView());
    for (const int32_t index : needed) {
      views_[static_cast<size_t>(index)] = columns_[static_cast<size_t>(index)].view();
    }
    return views_;
  }
  // Behind a look-up of aggregates: forgets what they were made of.
  void end_look_up() {
    for (const IntKey& key : scratch_keys_) {
      scratch_->set_current(key);
      std::byte* const row = scratch_->current_row();
      for (const auto& cell : scratch_->cells()) {
        if (row != nullptr && KeyedState::has(row, cell->bit())) {
          scratch_->clear_cell(row, *cell);
        }
      }
    }
    if (scratch_keys_.empty()) { return; }
    scratch_keys_.clear();
    scratch_->clear_current();
    scratch_->end_work(0);
  }

 private:
  explicit MatchColumns(std::vector<MatchLookup> lookups) : lookups_(std::move(lookups)) {}

  // The row of a match that a lookup means; -1: there is none.
  static int64_t row_of(const MatchLookup& lookup, const Match& match) {
    using Kind = MatchLookup::Kind;
    const std::string& elements = match.elements;
    const auto size = static_cast<int64_t>(elements.size());
    const auto is_own = [&](int64_t i) {
      return lookup.variable < 0 || elements[static_cast<size_t>(i)] == lookup.variable;
    };
    int64_t left = lookup.kind == Kind::kPrevious ? 0 : lookup.offset;
    if (lookup.kind == Kind::kFirst) {
      for (int64_t i = 0; i < size; ++i) {
        if (is_own(i) && left-- == 0) { return match.start + i; }
      }
      return -1;
    }
    for (int64_t i = size; i-- > 0;) {
      if (!is_own(i) || left-- != 0) { continue; }
      const int64_t row = match.start + i;
      return lookup.kind == Kind::kPrevious ? row - lookup.offset : row;
    }
    return -1;
  }
  void put_rows(const MatchLookup& lookup, std::span<const Match> matches, const ColumnBatch& rows,
                int64_t base, Column& column, Arena& arena) {
    sources_.clear();
    for (const Match& match : matches) {
      const int64_t row = row_of(lookup, match);
      sources_.push_back(row < base ? kNoSource : static_cast<uint32_t>(row - base));
    }
    OverCall shift;
    shift.call.arguments = {lookup.column};
    put_shifted(shift, rows, sources_, sources_, column, 0, arena);
  }
  void aggregate(const std::vector<int32_t>& needed, std::span<const Match> matches,
                 const ColumnBatch& rows, int64_t base) {
    frames_->clear();
    scratch_->begin_work();
    scratch_keys_.clear();
    for (size_t i = 0; i < matches.size(); ++i) {
      scratch_keys_.push_back(static_cast<int64_t>(i));
    }
    marks_.assign(columns_.size(), {});
    for (size_t i = 0; i < matches.size(); ++i) {
      scratch_->set_current(scratch_keys_[i]);
      std::byte* const state = scratch_->ensure_row();
      for (const int32_t index : needed) {
        const MatchLookup& lookup = lookups_[static_cast<size_t>(index)];
        if (lookup.kind != MatchLookup::Kind::kAggregate) { continue; }
        const size_t f = frames_->frame_of(call_of_[static_cast<size_t>(index)]);
        std::byte* const cell = frames_->open(f, state);
        const auto segment = static_cast<uint32_t>(i);
        frames_->step(f, 0, 0, cell, segment);
        for (size_t r = 0; r < matches[i].elements.size(); ++r) {
          if (lookup.variable >= 0 && matches[i].elements[r] != lookup.variable) { continue; }
          const int64_t row = matches[i].start + static_cast<int64_t>(r) - base;
          frames_->step(f, static_cast<uint32_t>(row), 1, cell, segment);
        }
        marks_[static_cast<size_t>(index)].push_back(2 * frames_->mark(f) + 1);
      }
    }
    frames_->run(rows, scratch_->heap(), [&](uint32_t segment) {
      scratch_->set_current(scratch_keys_[segment]);
      return scratch_->current_row();
    });
    for (const int32_t index : needed) {
      if (lookups_[static_cast<size_t>(index)].kind != MatchLookup::Kind::kAggregate) { continue; }
      gather(frames_->column(call_of_[static_cast<size_t>(index)]).view(),
             marks_[static_cast<size_t>(index)], columns_[static_cast<size_t>(index)], 0);
    }
  }

  const std::vector<MatchLookup> lookups_;
  std::vector<size_t> call_of_;
  std::unique_ptr<OverFrames> frames_;
  std::optional<KeyedStore<IntKey>> scratch_;
  std::vector<Column> columns_;
  std::vector<ColumnView> views_;
  std::vector<uint32_t> sources_;
  std::vector<IntKey> scratch_keys_;
  std::vector<std::vector<uint32_t>> marks_;
};

// An expression, and the lookups that it needs.
struct MatchExpression {
  std::unique_ptr<Evaluator> evaluator;
  std::vector<int32_t> lookups;

  static Result<MatchExpression> make(const std::vector<Bound>& values, const MatchSpec& spec) {
    std::vector<LogicalType> types;
    for (const MatchLookup& lookup : spec.lookups) { types.push_back(lookup.type); }
    MatchExpression made;
    TIDEWHEEL_ASSIGN_OR_RETURN(made.evaluator, Evaluator::compile(values, types, spec.eval));
    made.lookups = made.evaluator->input_columns();
    std::sort(made.lookups.begin(), made.lookups.end());
    made.lookups.erase(std::unique(made.lookups.begin(), made.lookups.end()), made.lookups.end());
    return made;
  }
};

struct MatchParts {
  std::unique_ptr<MatchColumns> columns;
  std::vector<std::optional<MatchExpression>> conditions;
  std::optional<MatchExpression> measures;
};

std::string match_layout(const MatchSpec& spec, const KeyReader& keys) {
  std::string text =
      schema_of_row(spec.input).to_string() + ", by " + keys.describe() + ", in the order of";
  for (const SortColumn& sort : spec.order_by) {
    text += " " + spec.input.names[static_cast<size_t>(sort.column)];
    text += sort.descending ? " desc" : " asc";
  }
  text += ", pattern";
  for (const MatchElement& element : spec.pattern) {
    text += fmt::format(" {}{{{},{}}}{}", element.variable, element.least, element.most,
                        element.reluctant ? "?" : "");
  }
  return text;
}

template <class K>
class MatchRecognizer final : public TimedKeyedOperator<K> {
  using Base = TimedKeyedOperator<K>;
  using Base::guard;
  using Base::output;
  using Base::ready;
  using Base::require;
  using Base::store_;
  using Base::watermark_;

 public:
  MatchRecognizer(MatchSpec spec, MatchParts parts)
      : Base(kName, spec.links),
        spec_(std::move(spec)),
        parts_(std::move(parts)),
        time_(static_cast<size_t>(spec_.order_by[0].column)),
        is_event_time_(spec_.input.types[time_].time == TimeAttribute::kEvent),
        keys_(spec_.input.types, spec_.partition_by),
        encoder_(spec_.input.types),
        order_(spec_.input.types, {spec_.order_by.begin() + 1, spec_.order_by.end()}),
        work_(spec_.input.types),
        automaton_(spec_) {
    for (const MatchLookup& lookup : spec_.lookups) {
      if (lookup.kind == MatchLookup::Kind::kPrevious) {
        previous_rows_ = std::max(previous_rows_, lookup.offset);
      }
    }
    for (const Bound& measure : spec_.measures) { measured_.emplace_back(measure.type); }
    this->set_layout(match_layout(spec_, keys_));
  }
  ~MatchRecognizer() override { this->drop_store(); }

  Status open(OperatorContext& context) override {
    TIDEWHEEL_RETURN_IF_ERROR(this->make_store(context));
    late_.open(context, this->sides());
    work_.open(context.memory());
    TIDEWHEEL_RETURN_IF_ERROR(parts_.columns->open(context));
    using Waiting = MapCell<Text, Text>;
    using Rows = MapCell<int64_t, MatchRow>;
    using Numbers = ValueCell<MatchProgress>;
    TIDEWHEEL_ASSIGN_OR_RETURN(waiting_, store_->template declare<Waiting>("waiting", {}));
    TIDEWHEEL_ASSIGN_OR_RETURN(rows_, store_->template declare<Rows>("rows", {}));
    TIDEWHEEL_ASSIGN_OR_RETURN(matches_,
                               store_->template declare<ListCell<SavedMatch>>("matches", {}));
    TIDEWHEEL_ASSIGN_OR_RETURN(progress_, store_->template declare<Numbers>("next", {}));
    watermark_ = this->restored_watermark();
    return this->read_store();
  }

  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    return this->take_chunks(rows, cursor, kChunk,
                             [&](const ColumnBatch& in, uint32_t& begin, uint32_t end) {
                               take(in, begin, end);
                               begin = end;
                             });
  }
  Progress on_watermark(int64_t time_ms) override {
    if (!is_event_time_) { return Operator::on_watermark(time_ms); }
    return this->advance(time_ms, [&] { return fire_some(); });
  }

 private:
  static constexpr uint32_t kChunk = 256;

  void take(const ColumnBatch& in, uint32_t begin, uint32_t end) {
    const std::span<const Text> encoded = encoder_.read(in, begin, end);
    const std::span<const K> keys = keys_.template keys<K>(in, begin, end);
    const int64_t now = this->context().clock().wall_ms();
    KeyedBatch batch(*store_, 0, end - begin, [&](uint32_t i) -> const K& { return keys[i]; });
    for (uint32_t i = 0; i < end - begin; ++i) {
      batch.select(i);
      if (!is_event_time_) {
        std::byte* const state = store_->ensure_row();
        come_.assign(1, encoded[i]);
        move_on(state, now);
        continue;
      }
      const ColumnView& times = in.view(time_);
      if (times.is_null(begin + i)) [[unlikely]] {
        require(invalid_argument(ErrorId::kSqlValue,
                                 "the time that rows are ordered by is NULL: {}",
                                 spec_.input.names[time_]));
      }
      keep(in, begin + i, encoded[i], times.at<int64_t>(begin + i));
    }
    late_.give(in, spec_.input.types);
  }
  // By event time rows wait until the watermark has passed their time.
  void keep(const ColumnBatch& in, uint32_t row, const Text& bytes, int64_t time) {
    if (time <= watermark_) { return late_.add(row); }
    std::byte* const state = store_->ensure_row();
    key_.clear();
    append_ordered_time(time, key_);
    order_.encode(in.views().data(), row, key_);
    append_ordered(progress_->open(state).value.next_waiting++, key_);
    waiting_->open(state, Text(key_)).value.store(bytes, store_->heap());
    store_->add_timer(TimeDomain::kEvent, time);
  }

  // Takes some keys and times that the watermark has passed; false when there is nothing left.
  bool fire_some() {
    arena_.recycle();
    if (!arena_) { arena_ = Arena::create(); }
    due_keys_.clear();
    due_times_.clear();
    store_->begin_work();
    store_->take_due(TimeDomain::kEvent, watermark_, kChunk,
                     [&](const K& key, KeyHash, int64_t time) {
                       if constexpr (std::is_same_v<K, Text>) {
                         due_keys_.push_back(arena_->copy(key.view()));
                       } else {
                         due_keys_.push_back(key);
                       }
                       due_times_.push_back(time);
                     });
    store_->end_work(0);
    const auto count = static_cast<uint32_t>(due_keys_.size());
    KeyedBatch batch(*store_, 0, count, [&](uint32_t i) -> const K& { return due_keys_[i]; });
    for (uint32_t i = 0; i < count; ++i) {
      batch.select(i);
      std::byte* const state = store_->current_row();
      if (state != nullptr) { take_due(state, due_times_[i]); }
    }
    return count > 0;
  }
  void take_due(std::byte* state, int64_t time) {
    come_.clear();
    gone_.clear();
    if (KeyedState::has(state, waiting_->bit())) {
      auto* const map = waiting_->find(state);
      key_.clear();
      append_ordered_time(time, key_);
      for (auto at = map->lower_bound(Text(key_)); !(at == map->end()); at = map->next(at)) {
        const auto& entry = map->at(at);
        if (ordered_time_at(entry.key.value, 0) != time) { break; }
        if (waiting_->is_gone(entry)) { continue; }
        come_.push_back(arena_->copy(entry.value.value.view()));
        gone_.push_back(entry.key.value.str());
      }
      for (const std::string& key : gone_) { waiting_->erase(state, Text(key)); }
    }
    move_on(state, time);
  }

  // ---- A key's rows in come_ are the next, of one time.

  void move_on(std::byte* state, int64_t time) {
    load(state, time);
    given_.clear();
    if (spec_.within_ms > 0) {
      require(automaton_.forget([&](int64_t row) { return time - time_of(row) >= spec_.within_ms; },
                                given_));
    }
    const int64_t end = base_ + static_cast<int64_t>(times_.size());
    for (int64_t row = end - static_cast<int64_t>(come_.size()); row < end; ++row) {
      require(automaton_.take(
          row, [&](std::vector<MatchAutomaton::Question>& questions) { answer(row, questions); },
          given_));
    }
    if (!given_.empty()) { give(); }
    save(state);
  }
  int64_t time_of(int64_t row) const { return times_[static_cast<size_t>(row - base_)]; }

  void load(std::byte* state, int64_t time) {
    work_.clear();
    times_.clear();
    MatchProgress& progress = progress_->open(state).value;
    base_ = progress.next;
    if (KeyedState::has(state, rows_->bit())) {
      auto* const map = rows_->find(state);
      for (auto at = map->begin(); !(at == map->end()); at = map->next(at)) {
        const auto& entry = map->at(at);
        if (rows_->is_gone(entry)) { continue; }
        base_ = std::min(base_, entry.key.value);
        work_.add(entry.value.value.row);
        times_.push_back(entry.value.value.time);
      }
    }
    kept_end_ = progress.next;
    for (const Text& row : come_) {
      work_.add(row);
      times_.push_back(time);
      ++progress.next;
    }
    work_.decode();
    automaton_.begun().clear();
    automaton_.complete().clear();
    if (!KeyedState::has(state, matches_->bit())) { return; }
    const auto* const list = matches_->find(state);
    for (uint32_t i = 0; list != nullptr && i < list->size; ++i) {
      const SavedMatch& saved = ListCell<SavedMatch>::value_of(list->items[i]);
      auto& matches = saved.is_complete ? automaton_.complete() : automaton_.begun();
      matches.push_back({saved.start, saved.elements.str()});
    }
  }

  // Rows from the first of all matches on are kept, and those that PREV may look at.
  void save(std::byte* state) {
    const int64_t next = base_ + static_cast<int64_t>(times_.size());
    int64_t first = next;
    for (const auto* matches : {&automaton_.begun(), &automaton_.complete()}) {
      if (!matches->empty()) { first = std::min(first, matches->front().start); }
    }
    if (spec_.within_ms > 0 && is_event_time_ && !automaton_.begun().empty()) {
      const int64_t begun_at = time_of(automaton_.begun().front().start);
      store_->add_timer(TimeDomain::kEvent, saturating_add(begun_at, spec_.within_ms));
    }
    first = std::max(base_, first - previous_rows_);
    for (int64_t row = base_; row < std::min(first, kept_end_); ++row) { rows_->erase(state, row); }
    for (int64_t row = std::max(first, kept_end_); row < next; ++row) {
      const MatchRow kept{time_of(row), work_.bytes(static_cast<uint32_t>(row - base_))};
      rows_->open(state, row).value.store(kept, store_->heap());
    }
    if (KeyedState::has(state, matches_->bit())) {
      if (auto* const list = matches_->find(state); list != nullptr) { matches_->empty(*list); }
    }
    const bool has_matches = !automaton_.begun().empty() || !automaton_.complete().empty();
    for (const Match& match : automaton_.begun()) { save_match(state, match, false); }
    for (const Match& match : automaton_.complete()) { save_match(state, match, true); }
    if (!has_matches && KeyedState::has(state, matches_->bit())) {
      store_->clear_cell(state, *matches_);
    }
    // Without anything that is kept the numbers may begin anew.
    if (!has_matches && previous_rows_ == 0 && !KeyedState::has(state, waiting_->bit())) {
      this->clear_cells(state);
    }
  }
  void save_match(std::byte* state, const Match& match, bool is_complete) {
    matches_->add(state, {match.start, Text(match.elements), is_complete});
  }

  // ---- Conditions and measures.

  void answer(int64_t row, std::vector<MatchAutomaton::Question>& questions) {
    for (size_t e = 0; e < parts_.conditions.size(); ++e) {
      asked_.clear();
      tried_.clear();
      const bool is_defined = parts_.conditions[e].has_value();
      for (size_t q = 0; q < questions.size(); ++q) {
        if (questions[q].element != static_cast<int32_t>(e)) { continue; }
        if (!is_defined) {
          questions[q].answer = true;
          continue;
        }
        asked_.push_back(q);
        tried_.push_back(questions[q].match == nullptr ? Match{row, {}} : *questions[q].match);
        tried_.back().elements += static_cast<char>(e);
      }
      if (asked_.empty()) { continue; }
      const MatchExpression& condition = *parts_.conditions[e];
      value_arena_.recycle();
      if (!value_arena_) { value_arena_ = Arena::create(); }
      const auto views = parts_.columns->look_up(condition.lookups, tried_, work_.batch(), times_,
                                                 base_, *value_arena_);
      passed_.clear();
      require(condition.evaluator->run_filter(views, 0, static_cast<uint32_t>(tried_.size()),
                                              *value_arena_, passed_));
      for (const uint32_t passed : passed_) { questions[asked_[passed]].answer = true; }
      parts_.columns->end_look_up();
    }
  }

  // Sends the matches in given_.
  void give() {
    const auto count = static_cast<uint32_t>(given_.size());
    ArenaRef arena = Arena::create();
    std::vector<Evaluated> results(spec_.measures.size());
    if (!spec_.measures.empty()) {
      const auto views = parts_.columns->look_up(parts_.measures->lookups, given_, work_.batch(),
                                                 times_, base_, *arena);
      targets_.clear();
      for (Column& column : measured_) {
        column.clear();
        targets_.push_back(&column);
      }
      require(parts_.measures->evaluator->run(views, 0, count, targets_, *arena, results));
    }
    last_rows_.clear();
    for (const Match& match : given_) {
      last_rows_.push_back(static_cast<uint32_t>(match.last() - base_));
    }
    const size_t keys = spec_.partition_by.size();
    emit_columns(output(), spec_.output.types, count,
                 [&](ColumnBatch& out, size_t begin, size_t end) {
                   const uint32_t at = out.size();
                   for (size_t c = 0; c < keys; ++c) {
                     gather(work_.batch().view(static_cast<size_t>(spec_.partition_by[c])),
                            std::span<const uint32_t>(last_rows_).subspan(begin, end - begin),
                            out.column(c), at, &out.arena());
                   }
                   for (size_t m = 0; m < results.size(); ++m) {
                     copy_rows(results[m].view, static_cast<uint32_t>(begin),
                               static_cast<uint32_t>(end), out.column(keys + m), at, &out.arena());
                   }
                 });
    parts_.columns->end_look_up();
  }

  const MatchSpec spec_;
  MatchParts parts_;
  const size_t time_;
  const bool is_event_time_;
  KeyReader keys_;
  EncodedRows encoder_;
  const SortKeyEncoder order_;
  OverRows work_;
  MatchAutomaton automaton_;
  int64_t previous_rows_ = 0;
  LateRows late_;
  MapCell<Text, Text>* waiting_ = nullptr;  // time, order, number: the row
  MapCell<int64_t, MatchRow>* rows_ = nullptr;
  ListCell<SavedMatch>* matches_ = nullptr;
  ValueCell<MatchProgress>* progress_ = nullptr;

  // Of the rows at work.
  ArenaRef arena_;
  std::string key_;
  std::vector<K> due_keys_;
  std::vector<int64_t> due_times_;
  std::vector<std::string> gone_;
  std::vector<Text> come_;

  // Of the key at work: rows from number base_ on, those before kept_end_ from its state.
  int64_t base_ = 0;
  int64_t kept_end_ = 0;
  std::vector<int64_t> times_;
  std::vector<Match> given_;
  std::vector<Match> tried_;
  std::vector<size_t> asked_;
  std::vector<uint32_t> passed_;
  std::vector<uint32_t> last_rows_;
  ArenaRef value_arena_;
  std::vector<Column> measured_;
  std::vector<Column*> targets_;
};

}  // namespace

Result<std::unique_ptr<Operator>> make_match_recognize(MatchSpec spec) {
  MatchParts parts;
  TIDEWHEEL_ASSIGN_OR_RETURN(parts.columns, MatchColumns::make(spec));
  for (const std::optional<Bound>& condition : spec.conditions) {
    parts.conditions.emplace_back();
    if (!condition.has_value()) { continue; }
    TIDEWHEEL_ASSIGN_OR_RETURN(parts.conditions.back(), MatchExpression::make({*condition}, spec));
  }
  if (!spec.measures.empty()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(parts.measures, MatchExpression::make(spec.measures, spec));
  }
  const bool is_int = KeyReader(spec.input.types, spec.partition_by).is_int();
  return make_by_key<MatchRecognizer>(is_int, std::move(spec), std::move(parts));
}

}  // namespace tidewheel::sql
