// Streams that are no tables, and queries for rows that can't be.
#include <string>
#include <variant>

#include "tidewheel/tables/env_sql.h"

using namespace tidewheel;

struct Trade {
  std::string symbol;
  int64_t cents;
};
struct Either {
  std::variant<int64_t, std::string> value;
};
struct Letter {
  char grade;
};
struct Fine {
  std::optional<std::chrono::microseconds> length;
};

// MISTAKE: a row of SQL can't hold a variant, or a type with a tidewheel::serde: map the stream to
void mistake(Env& env, Stream<Either> stream) { env.view("t", stream); }

// MISTAKE: a row of SQL can't hold a char, which may be a number or a letter: use int8_t
void mistake(Table table) { table.as<Letter>(); }

// MISTAKE: an interval of SQL has milliseconds: use std::chrono::milliseconds
void mistake(Table table) { table.as<Change<Fine>>(); }

// MISTAKE: a record can't be or hold a pointer
void mistake(Table table) { table.as<Trade*>(); }

// MISTAKE: a char may be a number or a letter: use int8_t, or a string
void mistake(Table table) { table.where(col("symbol") == 'A'); }
