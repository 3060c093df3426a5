// Characters of UTF-8 strings, for string functions: positions count characters, from 1.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "tidewheel/types/text.h"

namespace tidewheel::sql {

bool is_ascii(std::string_view text);
int64_t character_count(std::string_view text);
// Where character `index` (from 0) begins; the size when there are fewer.
size_t character_offset(std::string_view text, int64_t index);
// Takes one character off the front, as its code point; bytes that are no UTF-8 are taken singly.
uint32_t take_character(std::string_view& text);
void append_character(std::string& out, uint32_t code);

// Simple case mappings of Latin, Greek, Cyrillic and Armenian letters; others stay as they are.
uint32_t upper_case(uint32_t code);
uint32_t lower_case(uint32_t code);
// Appends the text in upper or lower case; "ß" becomes "SS".
void append_upper(std::string& out, std::string_view text);
void append_lower(std::string& out, std::string_view text);
bool is_letter(uint32_t code);
bool is_digit(uint32_t code);

// SUBSTRING: `start` from 1, 0 as 1, below 0 from the end; nothing before the text's begin.
std::string_view substring(std::string_view text, int64_t start, int64_t length);
// The byte offset of the first `part` at or behind character `from` (from 1), npos when there is
// none, counted in characters from 1: 0 when there is none.
int64_t position_of(std::string_view part, std::string_view text, int64_t from);
// As `text.find(part, from)`: looks for its first and its last byte in many places at once.
size_t find_text(std::string_view text, std::string_view part, size_t from);
// Part `index` of what separators divide `text` into; false when there are fewer.
bool split_part(std::string_view text, std::string_view separator, int64_t index,
                std::string_view& part);
// The same of many texts. `active`: a byte for each, 0 for those that nothing is asked of; null: of
// all. there[i] is 0 where there are fewer parts.
void split_parts(std::span<const Text> texts, const uint8_t* active, char separator, int64_t index,
                 Text* parts, uint8_t* there);

}  // namespace tidewheel::sql
