// Messages whose writers have appended to others: the specification lets fields come several times.
// It is rare, so that what is there several times is put together first, and read then.
#include <algorithm>
#include <map>
#include <utility>

#include "tidewheel/formats/protobuf/column_decoder.h"
#include "tidewheel/formats/protobuf/sql_schema.h"

namespace tidewheel::protobuf {
namespace {

// A key of a map so that equal ones have equal bytes.
bool read_key(Kind kind, std::string_view entry, std::string& key) {
  WireReader in(entry);
  std::string_view text;
  uint64_t bits = 0;
  const uint32_t wire = wire_of(kind);
  while (in.left() > 0) {
    uint32_t tag = 0;
    if (!in.read_tag(tag)) { return false; }
    if (tag != make_tag(1, wire)) {  // as for the decoder: of another wire type it is no key
      if (!in.skip(tag)) { return false; }
      continue;
    }
    uint32_t four = 0;
    if (wire == kSized    ? !in.read_sized(text)
        : wire == kVarint ? !in.read_varint(bits)
        : wire == kFour   ? !in.read_fixed(four)
                          : !in.read_fixed(bits)) {
      return false;
    }
    if (wire == kFour) { bits = four; }
  }
  if (kind == Kind::kBool) { bits = bits != 0 ? 1 : 0; }
  if (kind == Kind::kInt32 || kind == Kind::kUint32 || kind == Kind::kSint32) {
    bits = static_cast<uint32_t>(bits);
  }
  key.assign(text);
  key.append(reinterpret_cast<const char*>(&bits), sizeof bits);
  return true;
}

struct Piece {
  const Merging::Single* field = nullptr;  // null: as it is
  std::string bytes;                       // of a message what is within
};

class Merger {
 public:
  explicit Merger(const Merging& merging) : merging_(merging) {}

  bool read(std::string_view message) {
    WireReader in(message);
    while (in.left() > 0) {
      const char* const begin = in.at();
      uint32_t tag = 0;
      if (!in.read_tag(tag)) { return false; }
      const uint32_t number = tag >> 3;
      const auto it =
          std::lower_bound(merging_.fields.begin(), merging_.fields.end(), number,
                           [](const Merging::Single& one, uint32_t n) { return one.number < n; });
      const bool is_known = it != merging_.fields.end() && it->number == number;
      const bool is_sized = (tag & 7) == kSized;
      const bool is_group = (tag & 7) == kBeginGroup;
      std::string_view inner;
      if (is_sized   ? !in.read_sized(inner)
          : is_group ? !in.read_group(number, inner)
                     : !in.skip(tag)) {
        return false;
      }
      const std::string_view whole(begin, static_cast<size_t>(in.at() - begin));
      if (!is_known) { continue; }  // nobody asks for it
      // Of another wire type it is unknown, and replaces nothing.
      if (it->oneof >= 0 && (tag & 7) != it->wire) { continue; }
      if (!add(*it, it->is_group ? is_group : is_sized, inner, whole)) { return false; }
    }
    return true;
  }
  void write(std::string& out) const {
    for (const Piece& piece : pieces_) {
      if (piece.field == nullptr) {
        out += piece.bytes;
      } else {
        const bool is_group = piece.field->is_group;
        append_varint(out, make_tag(piece.field->number, is_group ? kBeginGroup : kSized));
        if (!is_group) { append_varint(out, piece.bytes.size()); }
        out += piece.bytes;
        if (is_group) { append_varint(out, make_tag(piece.field->number, kEndGroup)); }
      }
    }
  }

 private:
  bool add(const Merging::Single& field, bool has_inner, std::string_view inner,
           std::string_view whole) {
    if (field.oneof >= 0) {
      const auto [it, is_new] = oneofs_.emplace(field.oneof, field.number);
      if (!is_new && it->second != field.number) {
        if (const auto old = singles_.find(it->second); old != singles_.end()) {
          pieces_[old->second] = {};
          singles_.erase(old);
        }
        it->second = field.number;
      }
    }
    if (field.is_message && has_inner) {
      const auto [it, is_new] = singles_.emplace(field.number, pieces_.size());
      if (is_new) { pieces_.push_back({&field, {}}); }
      pieces_[it->second].bytes += inner;
      return true;
    }
    if (field.is_map && has_inner) {
      std::string key;
      if (!read_key(field.key, inner, key)) { return false; }
      const auto [it, is_new] = keys_.emplace(std::pair(field.number, key), pieces_.size());
      if (!is_new) {
        pieces_[it->second].bytes = inner;
        return true;
      }
      pieces_.push_back({&field, std::string(inner)});
      return true;
    }
    if (field.oneof >= 0) {
      const auto [it, is_new] = singles_.emplace(field.number, pieces_.size());
      if (!is_new) {
        pieces_[it->second].bytes = whole;
        return true;
      }
    }
    pieces_.push_back({nullptr, std::string(whole)});
    return true;
  }

  const Merging& merging_;
  std::vector<Piece> pieces_;
  std::map<uint32_t, size_t> singles_;  // by number: the piece
  std::map<int32_t, uint32_t> oneofs_;  // which member is set
  std::map<std::pair<uint32_t, std::string>, size_t> keys_;
};

}  // namespace

bool merge_message(const Merging& merging, std::string_view bytes, std::string& merged) {
  Merger merger(merging);
  if (!merger.read(bytes)) { return false; }
  merger.write(merged);
  return true;
}

}  // namespace tidewheel::protobuf
