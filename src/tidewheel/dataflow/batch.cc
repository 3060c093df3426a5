#include "tidewheel/dataflow/batch.h"

#include "tidewheel/dataflow/batch_pool.h"

namespace tidewheel {

Arena& Batch::arena() {
  if (!own_arena_) { own_arena_ = Arena::create(); }
  return *own_arena_;
}

void Batch::share_arenas(const Batch& other) {
  if (other.own_arena_) { share_arena(other.own_arena_); }
  for (const ArenaRef& arena : other.shared_arenas_) { share_arena(arena); }
}

void Batch::share_arena(const ArenaRef& arena) {
  // Rows come in runs from the same batch, so that the latest entry is the one to compare with.
  if (!shared_arenas_.empty() && shared_arenas_.back() == arena) { return; }
  shared_arenas_.push_back(arena);
}

void Batch::clear_arenas() {
  if (own_arena_) { own_arena_.recycle(); }
  if (!shared_arenas_.empty()) { shared_arenas_.clear(); }
}

void Batch::give_back() const { pool_->give_back(const_cast<Batch*>(this)); }

}  // namespace tidewheel
