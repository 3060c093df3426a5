// A cell for an object that is no record: it owns memory, say. In snapshots, and in a backend, it
// is a record of another type, which its owner makes of it.
#pragma once
#include <cstddef>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "tidewheel/state/cells.h"
#include "tidewheel/state/codec.h"
#include "tidewheel/state/keyed_state.h"

namespace tidewheel {

template <class Object, class Saved>
class ObjectCell final : public KeyedCell {
 public:
  class Codec {
   public:
    virtual void save(Object& object, Saved& saved) = 0;
    virtual void load(Object& object, Saved& saved) = 0;
    // Gives back what the object holds besides itself; it is destroyed then.
    virtual void release(Object& object) = 0;

   protected:
    ~Codec() = default;
  };
  static size_t size_of(const StateOptions&) { return sizeof(Object); }
  static size_t alignment_of(const StateOptions&) { return alignof(Object); }
  ObjectCell(KeyedState& owner, const std::string& name, const StateOptions& options)
      : KeyedCell(owner,
                  state_detail::with_value_schema(state_detail::cell_meta(name, "value", options),
                                                  encoded_schema<Saved>()),
                  options) {}
  // Right after the declaration; it outlives the cell.
  void set_codec(Codec& codec) { codec_ = &codec; }

  Object* find(std::byte* row) const {
    return row != nullptr && KeyedState::has(row, bit()) ? &object(row) : nullptr;
  }
  Object& open(std::byte* row) {
    if (!KeyedState::has(row, bit())) {
      new (&object(row)) Object();
      KeyedState::head_of(row) |= bit();
    }
    return object(row);
  }

  void destroy(std::byte* row) override {
    codec_->release(object(row));
    object(row).~Object();
  }
  bool expire(std::byte*) override { return false; }
  void write(std::byte* row, StateEntry& entry, SnapshotWriter& writer) override {
    saved_ = Saved();
    codec_->save(object(row), saved_);
    entry.value = bytes_.encode(saved_);
    writer.add(entry);
  }
  Status open_restore(const StateMeta& meta) override {
    TIDEWHEEL_RETURN_IF_ERROR(check_state_form(meta, StateKind::kKeyed, this->meta().form));
    TIDEWHEEL_ASSIGN_OR_RETURN(auto decoder, StateDecoder<Saved>::make(meta, meta.value_schema));
    decoder_ = std::make_unique<StateDecoder<Saved>>(std::move(decoder));
    return ok_status();
  }
  Status read(std::byte* row, bool is_new, const StateEntry& entry) override {
    Saved saved;
    TIDEWHEEL_RETURN_IF_ERROR(decoder_->decode(entry.value, saved));
    if (!is_new) { state().clear_cell(row, *this); }
    codec_->load(open(row), saved);
    return ok_status();
  }

 private:
  Object& object(std::byte* row) const { return *reinterpret_cast<Object*>(row + offset()); }

  Codec* codec_ = nullptr;
  StateBytes bytes_;
  Saved saved_;  // of the object that is written
  std::unique_ptr<StateDecoder<Saved>> decoder_;
};

}  // namespace tidewheel
