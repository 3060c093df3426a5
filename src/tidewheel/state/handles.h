// State and timers as members of a process function: the member is the descriptor. A handle that
// was made by the user is a description; the copy that the engine makes in each subtask is bound to
// state (binding.h) and works while there is a current key.
//
//   struct Clicks {
//     using output = Alert;
//     tw::Value<int64_t> count{"count"};
//     tw::Value<tw::Timestamp> last{"last", {.ttl = 24h}};
//     tw::EventTimer idle{"idle"};
//     void on_element(const Click& click, auto& ctx) { count.update([](auto& n) { ++n; }); ... }
//   };
//
// Text in what is put into state is copied. What is read from state is valid until it is changed.
//
// A state's type may be a struct inside the process function: nothing in the declarations of the
// classes below looks into T, because its default member initialisers can't be read before the end
// of the outermost class.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "tidewheel/state/binding.h"
#include "tidewheel/state/cells.h"
#include "tidewheel/state/keyed_state.h"
#include "tidewheel/state/operator_state.h"
#include "tidewheel/state/state_options.h"
#include "tidewheel/types/time.h"

namespace tidewheel {

namespace state_detail {

// What all keyed handles share.
template <class Cell>
class KeyedHandle {
 public:
  const std::string& name() const { return name_; }
  KeyedHandle& operator=(const KeyedHandle&) = delete;

 protected:
  KeyedHandle(std::string name, StateOptions options)
      : name_(std::move(name)), options_(options), state_(&unbound_state()) {}
  KeyedHandle(const KeyedHandle& other)
      : name_(other.name_), options_(other.options_), state_(&unbound_state()) {
    BindingScope* const scope = BindingScope::current();
    if (scope == nullptr) { return; }
    cell_ = scope->bind_keyed<Cell>(name_, options_);
    if (cell_ != nullptr) { state_ = scope->keyed(); }
  }
  ~KeyedHandle() = default;

  // The current key's row, or null; throws when there is no current key.
  std::byte* row() const {
    std::byte* const row = state_->current_row();
    if (row == nullptr) [[unlikely]] { state_->check_current_key(name_); }
    return row;
  }
  std::byte* ensure_row() {
    std::byte* const row = state_->current_row();
    if (row != nullptr) [[likely]] { return row; }
    state_->check_current_key(name_);
    return state_->ensure_row();
  }
  KeyedState& state() const { return *state_; }
  Cell& cell() const { return *cell_; }
  void clear_cell() {
    std::byte* const current = row();
    if (current != nullptr && KeyedState::has(current, cell_->bit())) {
      state_->clear_cell(current, *cell_);
    }
  }

 private:
  const std::string name_;
  const StateOptions options_;
  KeyedState* state_;
  Cell* cell_ = nullptr;
};

[[noreturn]] void throw_no_value(const std::string& name);
[[noreturn]] void throw_unbound(const std::string& name);

template <class T>
const T& default_value() {
  static const T value{};
  return value;
}

// Changes a value of state by a user's function, which takes it by reference, or gives the new one.
template <class T, class F>
void apply_update(Stored<T>& item, TextHeap& heap, F&& change) {
  using Answer = std::invoke_result_t<F&, T&>;
  if constexpr (std::is_same_v<std::remove_cvref_t<Answer>, T> && !std::is_reference_v<Answer>) {
    item.store(change(item.value), heap);
  } else {
    change(item.value);
    item.settle(heap);
  }
}

}  // namespace state_detail

// One value a key.
template <class T>
class Value : public state_detail::KeyedHandle<ValueCell<T>> {
  using Base = state_detail::KeyedHandle<ValueCell<T>>;

 public:
  explicit Value(std::string name, StateOptions options = {}) : Base(std::move(name), options) {
    check_record<T>();
  }
  Value(const Value&) = default;
  Value& operator=(const Value&) = delete;

  // The value, or null.
  const T* find() const {
    std::byte* const row = this->row();
    Stored<T>* const item = row == nullptr ? nullptr : this->cell().find(row);
    return item == nullptr ? nullptr : &item->value;
  }
  // The value, or T{}.
  const T& get() const {
    const T* const value = find();
    return value == nullptr ? state_detail::default_value<T>() : *value;
  }
  T get_or(T otherwise) const {
    const T* const value = find();
    return value == nullptr ? std::move(otherwise) : *value;
  }
  explicit operator bool() const { return find() != nullptr; }
  // The value; throws a StateError when there is none.
  const T& operator*() const {
    const T* const value = find();
    if (value == nullptr) [[unlikely]] { state_detail::throw_no_value(this->name()); }
    return *value;
  }
  const T* operator->() const { return &**this; }

  void set(const T& value) {
    std::byte* const row = this->ensure_row();
    this->cell().open(row).store(value, this->state().heap());
  }
  Value& operator=(const T& value) {
    set(value);
    return *this;
  }
  // Changes the value in place, from T{} when there is none: update([](auto& n) { ++n; }). A
  // function that returns a T gives the new value instead.
  template <class F>
  void update(F&& change) {
    std::byte* const row = this->ensure_row();
    state_detail::apply_update(this->cell().open(row), this->state().heap(), change);
  }
  void clear() { this->clear_cell(); }
};

// The items of a list, when they are not side by side as T.
template <class T>
class StoredItems {
 public:
  class Iterator {
   public:
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using reference = const T&;
    using pointer = const T*;
    using iterator_category = std::forward_iterator_tag;
    Iterator() = default;
    explicit Iterator(const Stored<T>* at) : at_(at) {}
    const T& operator*() const { return at_->value; }
    const T* operator->() const { return &at_->value; }
    Iterator& operator++() {
      ++at_;
      return *this;
    }
    Iterator operator++(int) { return Iterator(at_++); }
    friend bool operator==(const Iterator&, const Iterator&) = default;

   private:
    const Stored<T>* at_ = nullptr;
  };
  StoredItems() = default;
  StoredItems(const Stored<T>* items, size_t size) : items_(items), size_(size) {}
  Iterator begin() const { return Iterator(items_); }
  Iterator end() const { return Iterator(items_ + size_); }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const T& operator[](size_t index) const { return items_[index].value; }
  const T& front() const { return items_[0].value; }
  const T& back() const { return items_[size_ - 1].value; }

 private:
  const Stored<T>* items_ = nullptr;
  size_t size_ = 0;
};
template <class T>
using ListItems = std::conditional_t<Stored<T>::kUsesHeap, StoredItems<T>, std::span<const T>>;

// A list of items a key, in the order in which they were added. With a TTL, each item has its own.
template <class T>
class List : public state_detail::KeyedHandle<ListCell<T>> {
  using Base = state_detail::KeyedHandle<ListCell<T>>;

 public:
  explicit List(std::string name, StateOptions options = {}) : Base(std::move(name), options) {
    check_record<T>();
  }
  List(const List&) = default;
  List& operator=(const List&) = delete;

  void add(const T& item) {
    std::byte* const row = this->ensure_row();
    this->cell().add(row, item);
  }
  // `items`: a range of T that is no view of this list.
  template <class Range>
  void add_all(const Range& items) {
    for (const auto& item : items) { add(item); }
  }
  // All items, until the list is changed: a span, or a like view when T has Text.
  auto items() const {
    std::byte* const row = this->row();
    auto* const list = row == nullptr ? nullptr : this->cell().find(row);
    if (list == nullptr) { return ListItems<T>(); }
    if (this->cell().ttl_on_read()) { this->cell().touch(*list); }
    return ListItems<T>(list->items, list->size);
  }
  size_t size() const { return items().size(); }
  bool empty() const { return items().empty(); }
  // Puts the items of a range in the place of all.
  template <class Range>
  void replace(const Range& items) {
    if (std::begin(items) == std::end(items)) { return clear(); }
    const std::vector<T> kept(std::begin(items), std::end(items));  // they may be this list's own
    keep_text(kept, [&] { this->clear_cell(); });
  }
  void clear() { this->clear_cell(); }

 private:
  // Adds items whose Text may be in the list that `clear_old` clears.
  template <class F>
  void keep_text(const std::vector<T>& items, F clear_old) {
    if constexpr (Stored<T>::kUsesHeap) {
      TextHeap& heap = this->state().heap();
      std::vector<Stored<T>> copies(items.size());
      for (size_t i = 0; i < items.size(); ++i) { copies[i].store(items[i], heap); }
      clear_old();
      for (Stored<T>& copy : copies) {
        add(copy.value);
        copy.release(heap);
      }
    } else {
      clear_old();
      add_all(items);
    }
  }
};

// The entries of a map state, or a part of them, in the order of keys; skips what has expired.
// Valid until the map is changed.
template <class UK, class UV, class Gone>
class MapRange {
 public:
  using Blocks = MapBlocks<UK, UV>;
  using Place = typename Blocks::Place;
  struct Entry {
    const UK& key;
    const UV& value;
  };
  class Iterator {
   public:
    Iterator(const MapRange* range, Place place) : range_(range), place_(place) { skip_gone(); }
    Entry operator*() const {
      const auto& entry = range_->blocks_->at(place_);
      return {entry.key.value, entry.value.value};
    }
    Iterator& operator++() {
      place_ = range_->blocks_->next(place_);
      skip_gone();
      return *this;
    }
    friend bool operator==(const Iterator& a, const Iterator& b) { return a.place_ == b.place_; }

   private:
    void skip_gone() {
      while (!(place_ == range_->end_) && range_->gone_(range_->blocks_->at(place_))) {
        place_ = range_->blocks_->next(place_);
      }
    }
    const MapRange* range_;
    Place place_;
  };

  MapRange(const Blocks* blocks, Place begin, Place end, Gone gone)
      : blocks_(blocks), begin_(begin), end_(end), gone_(gone) {}
  Iterator begin() const { return Iterator(this, begin_); }
  Iterator end() const { return Iterator(this, end_); }
  bool empty() const { return begin() == end(); }
  // Counts; takes a walk.
  size_t size() const {
    size_t count = 0;
    for (auto it = begin(); !(it == end()); ++it) { ++count; }
    return count;
  }

 private:
  const Blocks* blocks_;
  Place begin_;
  Place end_;
  Gone gone_;
};

namespace state_detail {
// The part [from, to) of a map; null bounds are the ends.
template <class UK, class UV, class Gone>
MapRange<UK, UV, Gone> range_of(const MapBlocks<UK, UV>* blocks, const UK* from, const UK* to,
                                Gone gone) {
  if (blocks == nullptr) { return {nullptr, {}, {}, gone}; }
  const auto begin = from == nullptr ? blocks->begin() : blocks->lower_bound(*from);
  const bool is_empty = from != nullptr && to != nullptr && !detail::key_less(*from, *to);
  const auto end = is_empty ? begin : to == nullptr ? blocks->end() : blocks->lower_bound(*to);
  return {blocks, begin, end, gone};
}
}  // namespace state_detail

// A map a key, ordered by its own keys. With a TTL, each entry has its own.
template <class UK, class UV>
class Map : public state_detail::KeyedHandle<MapCell<UK, UV>> {
  using Base = state_detail::KeyedHandle<MapCell<UK, UV>>;

 public:
  explicit Map(std::string name, StateOptions options = {}) : Base(std::move(name), options) {
    check_record<UK>();
    check_record<UV>();
  }
  Map(const Map&) = default;
  Map& operator=(const Map&) = delete;

  // The value of a key, or null.
  const UV* find(const UK& key) const {
    std::byte* const row = this->row();
    auto* const entry = row == nullptr ? nullptr : this->cell().find(row, key);
    return entry == nullptr ? nullptr : &entry->value.value;
  }
  // The value of a key, or UV{}.
  const UV& get(const UK& key) const {
    const UV* const value = find(key);
    return value == nullptr ? state_detail::default_value<UV>() : *value;
  }
  UV get_or(const UK& key, UV otherwise) const {
    const UV* const value = find(key);
    return value == nullptr ? std::move(otherwise) : *value;
  }
  bool contains(const UK& key) const { return find(key) != nullptr; }
  void put(const UK& key, const UV& value) {
    std::byte* const row = this->ensure_row();
    this->cell().open(row, key).value.store(value, this->state().heap());
  }
  // Changes a value in place, from UV{} when there is none.
  template <class F>
  void update(const UK& key, F&& change) {
    std::byte* const row = this->ensure_row();
    state_detail::apply_update(this->cell().open(row, key).value, this->state().heap(), change);
  }
  // False when there was none.
  bool erase(const UK& key) {
    std::byte* const row = this->row();
    return row != nullptr && this->cell().erase(row, key);
  }
  // Erases the entries for which `matches(const UK&, const UV&)`.
  template <class F>
  void erase_if(F matches) {
    std::byte* const row = this->row();
    if (row != nullptr) { this->cell().erase_if(row, matches); }
  }
  void clear() { this->clear_cell(); }

  // All entries: for (auto [key, value] : map.entries()).
  auto entries() const { return range(nullptr, nullptr); }
  // Those with from <= key < to.
  auto scan(const UK& from, const UK& to) const { return range(&from, &to); }
  bool empty() const { return entries().empty(); }
  size_t size() const { return entries().size(); }

 private:
  auto range(const UK* from, const UK* to) const {
    std::byte* const row = this->row();
    const MapCell<UK, UV>* const cell = &this->cell();
    return state_detail::range_of<UK, UV>(
        row == nullptr ? nullptr : cell->find(row), from, to,
        [cell](const MapEntry<UK, UV>& entry) { return cell->is_gone(entry); });
  }
};

// A value that elements are folded into by F: T(T, T), or void(T&, const T&).
template <class T, class F>
class Reducing {
 public:
  Reducing(std::string name, F fold, StateOptions options = {})
      : value_(std::move(name), options), fold_(std::move(fold)) {}

  void add(const T& element) {
    const T* const value = value_.find();
    if (value == nullptr) { return value_.set(element); }
    value_.update([&](T& sum) {
      if constexpr (std::is_void_v<std::invoke_result_t<F&, T&, const T&>>) {
        fold_(sum, element);
      } else {
        sum = fold_(sum, element);
      }
    });
  }
  // What was added so far, or null.
  const T* find() const { return value_.find(); }
  const T& get() const { return value_.get(); }
  explicit operator bool() const { return static_cast<bool>(value_); }
  void clear() { value_.clear(); }
  const std::string& name() const { return value_.name(); }

 private:
  Value<T> value_;
  F fold_;
};

// A value that elements are added to by an aggregator: `init()` makes an accumulator, `add(acc,
// element)` takes an element, `result(acc)`, if there is one, makes the answer.
template <class A>
class Aggregating {
 public:
  using Accumulator = std::remove_cvref_t<decltype(std::declval<A&>().init())>;

  Aggregating(std::string name, A aggregator, StateOptions options = {})
      : value_(std::move(name), options), aggregator_(std::move(aggregator)) {}

  template <class T>
  void add(const T& element) {
    const bool is_new = value_.find() == nullptr;
    value_.update([&](Accumulator& accumulator) {
      if (is_new) { accumulator = aggregator_.init(); }
      aggregator_.add(accumulator, element);
    });
  }
  // The result of what was added so far, from init() when that is nothing.
  auto get() const {
    const Accumulator* const found = value_.find();
    const Accumulator accumulator = found == nullptr ? aggregator_.init() : *found;
    if constexpr (requires { aggregator_.result(accumulator); }) {
      return aggregator_.result(accumulator);
    } else {
      return accumulator;
    }
  }
  explicit operator bool() const { return static_cast<bool>(value_); }
  void clear() { value_.clear(); }
  const std::string& name() const { return value_.name(); }

 private:
  Value<Accumulator> value_;
  A aggregator_;
};

// A named timer: one a key. `at` sets it, or moves it when it is set. It fires in
// on_timer(EventTimer&, Timestamp, ctx) or on_timer(ProcTimer&, ...), and is not set any more then.
template <TimeDomain kDomain>
class NamedTimer : public state_detail::KeyedHandle<TimerCell> {
  using Base = state_detail::KeyedHandle<TimerCell>;

 public:
  explicit NamedTimer(std::string name) : Base(std::move(name), {}) {}
  NamedTimer(const NamedTimer& other) : Base(other) {
    if (BindingScope::current() == nullptr || !is_bound()) { return; }
    cell().set_domain(kDomain);
    cell().set_handle(this);
  }
  NamedTimer& operator=(const NamedTimer&) = delete;

  void at(Timestamp time) {
    std::byte* const row = ensure_row();
    cell().set(row, std::min(time.ms(), TimerCell::kCancelled - 1));
  }
  // Event timers: after the time of the record or timer that is processed. Processing timers: from
  // now.
  void in(Duration delay) {
    std::byte* const row = ensure_row();
    const int64_t from = kDomain == TimeDomain::kEvent ? state().event_time_ms() : state().now_ms();
    cell().set(row, std::min(saturating_add(from, delay.count()), TimerCell::kCancelled - 1));
  }
  void cancel() {
    std::byte* const row = this->row();
    TimerCell::Times* const times = row == nullptr ? nullptr : cell().find(row);
    if (times != nullptr) { times->target = TimerCell::kCancelled; }
  }
  // The time that it is set to.
  std::optional<Timestamp> when() const {
    std::byte* const row = this->row();
    const TimerCell::Times* const times = row == nullptr ? nullptr : cell().find(row);
    if (times == nullptr || times->target == TimerCell::kCancelled) { return std::nullopt; }
    return Timestamp(times->target);
  }
  explicit operator bool() const { return when().has_value(); }

 private:
  bool is_bound() const { return &state() != &unbound_state(); }
};
using EventTimer = NamedTimer<TimeDomain::kEvent>;
using ProcTimer = NamedTimer<TimeDomain::kProcessing>;

// The right to change broadcast state. The context of on_broadcast derives from it; that of the
// keyed side does not, so that writing there does not compile.
class BroadcastAccess {
 protected:
  BroadcastAccess() = default;
  ~BroadcastAccess() = default;
};

// A map that every subtask has the same copy of: filled from a broadcast stream, read on both
// sides. The elements may come in different order in different subtasks: what they change must not
// depend on it.
template <class UK, class UV>
class Broadcast {
  using Cell = BroadcastCell<UK, UV>;

 public:
  // Changes the map.
  class Editor {
   public:
    void put(const UK& key, const UV& value) { cell_->open(key).store(value, cell_->heap()); }
    template <class F>
    void update(const UK& key, F&& change) {
      state_detail::apply_update(cell_->open(key), cell_->heap(), change);
    }
    bool erase(const UK& key) { return cell_->erase(key); }
    void clear() { cell_->clear(); }

   private:
    friend class Broadcast;
    explicit Editor(Cell* cell) : cell_(cell) {}
    Cell* cell_;
  };

  explicit Broadcast(std::string name) : name_(std::move(name)) {
    check_record<UK>();
    check_record<UV>();
  }
  Broadcast(const Broadcast& other) : name_(other.name_) {
    if (BindingScope* const scope = BindingScope::current()) {
      cell_ = scope->bind_operator<Cell>(Cell::make_meta(name_));
    }
  }
  Broadcast& operator=(const Broadcast&) = delete;

  const std::string& name() const { return name_; }
  const UV* find(const UK& key) const {
    auto* const entry = cell().blocks().find(key);
    return entry == nullptr ? nullptr : &entry->value.value;
  }
  const UV& get(const UK& key) const {
    const UV* const value = find(key);
    return value == nullptr ? state_detail::default_value<UV>() : *value;
  }
  UV get_or(const UK& key, UV otherwise) const {
    const UV* const value = find(key);
    return value == nullptr ? std::move(otherwise) : *value;
  }
  bool contains(const UK& key) const { return find(key) != nullptr; }
  size_t size() const { return cell().blocks().size(); }
  bool empty() const { return size() == 0; }
  auto entries() const { return range(nullptr, nullptr); }
  auto scan(const UK& from, const UK& to) const { return range(&from, &to); }

  // In on_broadcast: rules.edit(ctx).put(key, value).
  Editor edit(const BroadcastAccess&) { return Editor(&cell()); }

 private:
  Cell& cell() const {
    if (cell_ == nullptr) [[unlikely]] { state_detail::throw_unbound(name_); }
    return *cell_;
  }
  auto range(const UK* from, const UK* to) const {
    return state_detail::range_of<UK, UV>(&cell().blocks(), from, to,
                                          [](const MapEntry<UK, UV>&) { return false; });
  }

  const std::string name_;
  Cell* cell_ = nullptr;
};

// A list that belongs to the subtask and to no key.
template <class T>
class OperatorList {
  using Cell = OperatorListCell<T>;

 public:
  explicit OperatorList(std::string name, Redistribution redistribution = Redistribution::split)
      : name_(std::move(name)), redistribution_(redistribution) {
    check_record<T>();
  }
  OperatorList(const OperatorList& other)
      : name_(other.name_), redistribution_(other.redistribution_) {
    if (BindingScope* const scope = BindingScope::current()) {
      cell_ = scope->bind_operator<Cell>(Cell::make_meta(name_, redistribution_));
    }
  }
  OperatorList& operator=(const OperatorList&) = delete;

  const std::string& name() const { return name_; }
  void add(const T& item) { cell().add(item); }
  template <class Range>
  void add_all(const Range& items) {
    for (const auto& item : items) { add(item); }
  }
  StoredItems<T> items() const { return {cell().items().data(), cell().items().size()}; }
  size_t size() const { return cell().items().size(); }
  bool empty() const { return size() == 0; }
  // `items`: a range of T that is no view of this list.
  template <class Range>
  void replace(const Range& items) {
    clear();
    add_all(items);
  }
  void clear() { cell().clear(); }

 private:
  Cell& cell() const {
    if (cell_ == nullptr) [[unlikely]] { state_detail::throw_unbound(name_); }
    return *cell_;
  }

  const std::string name_;
  const Redistribution redistribution_;
  Cell* cell_ = nullptr;
};

}  // namespace tidewheel
