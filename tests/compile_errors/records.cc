// Types that are no records, keys or rows of CSV.
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tidewheel/formats/csv/reader.h"
#include "tidewheel/types/hash.h"
#include "tidewheel/types/serde.h"

using namespace tidewheel;

template <class T>
void use(Writer& writer, const T& value) {
  encode(writer, value);
}

// MISTAKE: a record can't be or hold a pointer: hold the value, or an std::optional of it
struct Node {
  int value;
  Node* next;
};
void mistake(Writer& writer) { use(writer, Node{}); }

// MISTAKE: a record can't hold an array of C: use std::array
struct Buffer {
  int used;
  char bytes[16];
};
void mistake(Writer& writer) { use(writer, Buffer{}); }

// MISTAKE: a record can't have a base class: hold it as a field
struct Base {
  int x;
};
struct Derived : Base {
  int y;
};
void mistake(Writer& writer) { use(writer, Derived{}); }

// MISTAKE: a record can't hold a std::string_view, which owns nothing
struct View {
  std::string_view text;
};
void mistake(Writer& writer) { use(writer, View{}); }

// MISTAKE: every field of a record must be default constructible, and none a reference
struct Reference {
  int& value;
};
void mistake(Writer& writer, const Reference& value) { use(writer, value); }

// MISTAKE: a record must be a plain struct (no constructors, no private members
class Account {
  int cents_ = 0;
};
void mistake(Writer& writer) { use(writer, std::vector<Account>()); }

// MISTAKE: a record has at most 64 fields: group some into a struct of their own
struct Wide {
  int a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, c0, c1, c2,
      c3, c4, c5, c6, c7, c8, c9, d0, d1, d2, d3, d4, d5, d6, d7, d8, d9, e0, e1, e2, e3, e4, e5,
      e6, e7, e8, e9, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, g0, g1, g2, g3, g4;
};
void mistake(Writer& writer) { use(writer, Wide{}); }

// MISTAKE: a key can't be a pointer: its value differs from run to run
uint64_t mistake(int* key) { return hash64(key); }

// MISTAKE: vectors, maps and unordered containers have no stable hash here
uint64_t mistake(const std::unordered_map<int, int>& key) { return hash64(key); }

// MISTAKE: a row of CSV must be flat
struct Nested {
  std::vector<int> list;
};
auto mistake() { return csv::Reader<Nested>::open({}, ""); }
