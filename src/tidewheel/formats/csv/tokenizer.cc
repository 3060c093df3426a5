#include "tidewheel/formats/csv/tokenizer.h"

#include <algorithm>
#include <bit>
#include <cstring>

#ifdef __AVX2__
#include <immintrin.h>
#endif

namespace tidewheel::csv {

namespace {

constexpr size_t kBlockBytes = 64;

// A bit for each of 64 bytes that is `a` or `b`.
#ifdef __AVX2__
uint64_t find_in_block(const char* bytes, char a, char b) {
  const __m256i first = _mm256_set1_epi8(a);
  const __m256i second = _mm256_set1_epi8(b);
  const auto half = [&](const char* from) {
    const __m256i block = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    return static_cast<uint32_t>(_mm256_movemask_epi8(
        _mm256_or_si256(_mm256_cmpeq_epi8(block, first), _mm256_cmpeq_epi8(block, second))));
  };
  return half(bytes) | static_cast<uint64_t>(half(bytes + 32)) << 32;
}
#else
uint64_t find_in_block(const char* bytes, char a, char b) {
  uint64_t mask = 0;
  for (size_t i = 0; i < kBlockBytes; ++i) {
    mask |= static_cast<uint64_t>(bytes[i] == a || bytes[i] == b) << i;
  }
  return mask;
}
#endif

}  // namespace

void Tokenizer::begin_record() {
  state_ = State::kFieldStart;
  at_ = 0;
  field_begin_ = 0;
  escaped_ = false;
  complete_ = false;
  reason_ = nullptr;
  lines_ = 0;
  fields_.clear();
}

Tokenizer::Next Tokenizer::next(std::string_view bytes, bool ended) {
  dropped_ = 0;
  if (state_ == State::kDiscard) { return discard(bytes, ended); }
  if (state_ == State::kTaken) { begin_record(); }
  Step step = Step::kGoOn;
  while (step == Step::kGoOn && !complete_) {
    switch (state_) {
      case State::kFieldStart:
        if (at_ == bytes.size() && !ended) { return finish(bytes, ended); }
        field_begin_ = at_;
        escaped_ = false;
        if (quote_ != '\0' && at_ < bytes.size() && bytes[at_] == quote_) {
          ++field_begin_;
          ++at_;
          state_ = State::kQuoted;
        } else {
          state_ = State::kUnquoted;
        }
        break;
      case State::kUnquoted:
        step = escape_ == '\0' ? step_unquoted(bytes, ended) : step_with_escapes(bytes, ended);
        break;
      case State::kQuoted:
        step = escape_ == '\0' ? step_quoted(bytes, ended) : step_with_escapes(bytes, ended);
        break;
      case State::kAfterQuote: step = step_after_quote(bytes, ended); break;
      case State::kTail: step = step_tail(bytes, ended); break;
      case State::kDiscard:
      case State::kTaken: step = Step::kStop; break;
    }
  }
  return finish(bytes, ended);
}

Tokenizer::Next Tokenizer::finish(std::string_view bytes, bool ended) {
  if (at_ > record_bytes_max_) {
    reason_ = "the record is longer than record_bytes_max";
    // It is dropped up to the first line end behind the limit, whatever its quotes mean, so that it
    // makes no difference how much of it has come. What has not is passed over without being kept.
    const size_t newline = bytes.find('\n', record_bytes_max_);
    const bool found = newline != std::string_view::npos;
    at_ = found ? newline + 1 : bytes.size();
    lines_ = std::count(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(at_), '\n');
    state_ = found || ended ? State::kTaken : State::kDiscard;
    return Next::kMalformed;
  }
  if (complete_) {
    state_ = State::kTaken;
    return reason_ == nullptr ? Next::kRecord : Next::kMalformed;
  }
  if (ended && bytes.empty()) {
    state_ = State::kTaken;
    return Next::kEnd;
  }
  return Next::kNeedsBytes;
}

Tokenizer::Next Tokenizer::discard(std::string_view bytes, bool ended) {
  const size_t newline = bytes.find('\n');
  lines_ = 0;
  if (newline == std::string_view::npos) {
    dropped_ = bytes.size();
    if (ended) { state_ = State::kTaken; }
    return ended && bytes.empty() ? Next::kEnd : Next::kNeedsBytes;
  }
  dropped_ = newline + 1;
  lines_ = 1;
  state_ = State::kTaken;
  return Next::kNeedsBytes;
}

void Tokenizer::end_field(size_t end, bool quoted) {
  fields_.push_back(
      {static_cast<uint32_t>(field_begin_), static_cast<uint32_t>(end), quoted, escaped_});
}

// The record ends with the line end at `newline`, or with the stream there.
Tokenizer::Step Tokenizer::end_record(std::string_view bytes, size_t newline, bool cut_return) {
  size_t end = newline;
  if (cut_return && end > field_begin_ && bytes[end - 1] == '\r') { --end; }
  end_field(end, false);
  at_ = std::min(newline + 1, bytes.size());
  lines_ += newline < bytes.size() ? 1 : 0;
  complete_ = true;
  return Step::kStop;
}

Tokenizer::Step Tokenizer::step_unquoted(std::string_view bytes, bool ended) {
  const char* const data = bytes.data();
  const size_t size = bytes.size();
  while (at_ < size) {
    uint64_t found = 0;
    const size_t block = at_;
    const size_t block_size = std::min(kBlockBytes, size - block);
    if (block_size == kBlockBytes) {
      found = find_in_block(data + block, delimiter_, '\n');
    } else {
      char padded[kBlockBytes] = {};
      std::memcpy(padded, data + block, block_size);
      found = find_in_block(padded, delimiter_, '\n');
    }
    while (found != 0) {
      const size_t position = block + static_cast<size_t>(std::countr_zero(found));
      found &= found - 1;
      if (data[position] == '\n') { return end_record(bytes, position, true); }
      end_field(position, false);
      field_begin_ = position + 1;
      at_ = field_begin_;
      // A quote at the start of the next field changes what the bits behind it mean.
      if (at_ == size || (data[at_] == quote_ && quote_ != '\0')) {
        state_ = State::kFieldStart;
        return Step::kGoOn;
      }
    }
    at_ = block + block_size;
  }
  if (!ended || (size == 0 && fields_.empty())) { return Step::kStop; }
  return end_record(bytes, size, true);
}

Tokenizer::Step Tokenizer::step_quoted(std::string_view bytes, bool ended) {
  while (true) {
    const char* const from = bytes.data() + at_;
    const void* found =
        at_ == bytes.size() ? nullptr : std::memchr(from, quote_, bytes.size() - at_);
    if (found == nullptr) {
      lines_ += std::count(from, bytes.data() + bytes.size(), '\n');
      at_ = bytes.size();
      return ended ? malformed("a quoted field is not closed") : Step::kStop;
    }
    const auto position = static_cast<size_t>(static_cast<const char*>(found) - bytes.data());
    lines_ += std::count(from, static_cast<const char*>(found), '\n');
    at_ = position;
    if (position + 1 == bytes.size() && !ended) { return Step::kStop; }
    if (position + 1 < bytes.size() && bytes[position + 1] == quote_) {
      escaped_ = true;
      at_ = position + 2;
      continue;
    }
    end_field(position, true);
    at_ = position + 1;
    state_ = State::kAfterQuote;
    return Step::kGoOn;
  }
}

// A field, byte by byte, of CSV with an escape character.
Tokenizer::Step Tokenizer::step_with_escapes(std::string_view bytes, bool ended) {
  const bool quoted = state_ == State::kQuoted;
  for (; at_ < bytes.size(); ++at_) {
    const char c = bytes[at_];
    const bool is_last = at_ + 1 == bytes.size();
    if (c == escape_ || (quoted && c == quote_)) {
      if (is_last && !ended) { return Step::kStop; }
      const bool doubles = c == quote_ && !is_last && bytes[at_ + 1] == quote_;
      if (c == escape_ || doubles) {
        escaped_ = true;
        if (!is_last) {
          ++at_;
          if (bytes[at_] == '\n') { ++lines_; }
        }
        continue;
      }
      end_field(at_++, true);
      state_ = State::kAfterQuote;
      return Step::kGoOn;
    }
    if (c == '\n' && quoted) { ++lines_; }
    if (c == '\n' && !quoted) { return end_record(bytes, at_, true); }
    if (c == delimiter_ && !quoted) {
      end_field(at_++, false);
      state_ = State::kFieldStart;
      return Step::kGoOn;
    }
  }
  if (!ended || (bytes.empty() && fields_.empty())) { return Step::kStop; }
  if (quoted) { return malformed("a quoted field is not closed"); }
  return end_record(bytes, bytes.size(), true);
}

Tokenizer::Step Tokenizer::step_after_quote(std::string_view bytes, bool ended) {
  if (at_ == bytes.size()) {
    complete_ = ended;
    return Step::kStop;
  }
  if (bytes[at_] == delimiter_) {
    ++at_;
    state_ = State::kFieldStart;
    return Step::kGoOn;
  }
  size_t newline = at_;
  if (bytes[at_] == '\r') {
    if (at_ + 1 == bytes.size() && !ended) { return Step::kStop; }
    ++newline;
  }
  if (newline == bytes.size() || bytes[newline] == '\n') {
    at_ = std::min(newline + 1, bytes.size());
    lines_ += newline < bytes.size() ? 1 : 0;
    complete_ = true;
    return Step::kStop;
  }
  return malformed("there is text between the closing quote of a field and the next delimiter");
}

Tokenizer::Step Tokenizer::malformed(const char* reason) {
  reason_ = reason;
  state_ = State::kTail;
  return Step::kGoOn;
}

Tokenizer::Step Tokenizer::step_tail(std::string_view bytes, bool ended) {
  const size_t newline = bytes.find('\n', at_);
  if (newline == std::string_view::npos) {
    at_ = bytes.size();
    complete_ = ended;
    return Step::kStop;
  }
  at_ = newline + 1;
  ++lines_;
  complete_ = true;
  return Step::kStop;
}

}  // namespace tidewheel::csv
