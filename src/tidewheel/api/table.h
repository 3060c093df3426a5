// Where SQL meets connectors and formats: what the planner asks of a table, and the registry in
// which it finds who can serve it. A connector registers a factory by its name in WITH ('connector'
// = ..), a format by its name in WITH ('format' = ..); neither knows the planner, nor each other.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/types/logical_type.h"
#include "tidewheel/types/text.h"
#include "tidewheel/types/time.h"

namespace tidewheel {

class Arena;        // types/arena.h
class Clock;        // base/clock.h
struct ColumnView;  // types/column.h
class Env;          // api/env.h
class Executor;     // base/executor.h
class FileSystem;   // base/file_system.h
class Network;      // base/network.h
class TableRegistry;
struct ColumnRow;  // dataflow/column_batch.h
template <class T>
class RowBatch;  // dataflow/batch.h
template <class T>
class Stream;  // api/stream.h

// Which kinds of rows a table gives or takes.
enum class ChangelogKinds : uint8_t {
  kAppend,   // insertions only
  kUpsert,   // insertions, updates (after only) and deletions, by primary key
  kRetract,  // all four
};

// A column of a table as connectors see it: one that is stored, or one of metadata.
struct TableColumn {
  std::string name;
  LogicalType type;
  std::string metadata_key;  // empty: it is stored
  bool is_virtual = false;   // metadata that is not written
};

// A table as it was declared. Computed columns are not part of it: the planner makes them.
struct TableDefinition {
  std::string path;  // "default_catalog.default_database.t", for messages
  std::vector<TableColumn> columns;
  std::vector<std::string> primary_key;
  std::vector<std::string> partitioned_by;
  std::map<std::string, std::string> options;  // of WITH and of hints, with 'connector'
};

// One option, for messages and completion.
struct TableOption {
  std::string key;
  bool required = false;
  std::string default_value = {};  // shown
  std::string description = {};
};

// Reads the options of a table. Every key that is read counts as known; `finish` refuses the
// others. Errors are kept, the first one is what `finish` gives: kSqlOption, naming the table, the
// key and what would be accepted.
class TableOptions {
 public:
  TableOptions(const TableDefinition& table, std::vector<TableOption> known);

  bool has(const std::string& key) const { return options_.count(key) > 0; }
  std::string text(const std::string& key, std::string fallback = {});
  int64_t number(const std::string& key, int64_t fallback, int64_t least = INT64_MIN,
                 int64_t most = INT64_MAX);
  double real(const std::string& key, double fallback);
  bool flag(const std::string& key, bool fallback);
  // "5 s", "100ms", "1 min".
  Duration duration(const std::string& key, Duration fallback);
  // "128 MB", in bytes.
  int64_t bytes(const std::string& key, int64_t fallback);
  // Index of one of `choices`, which are compared without case.
  size_t choice(const std::string& key, const std::vector<std::string>& choices, size_t fallback);
  // Sets an option that was not given.
  void set_default(const std::string& key, std::string value) {
    options_.emplace(key, std::move(value));
  }
  // All options that begin with `prefix` are known.
  std::map<std::string, std::string> with_prefix(const std::string& prefix);
  // Notes an error about a key.
  void fail(const std::string& key, const std::string& why);
  // Keys of formats and of the planner itself, which somebody else reads.
  void add_known(const std::vector<TableOption>& known);

  // OK, or the first error, or the first unknown or missing key, with all keys that are known.
  Status finish() const;

 private:
  const std::string* find(const std::string& key);

  std::string path_;
  std::map<std::string, std::string> options_;
  std::vector<TableOption> known_;
  Status failure_;
};

// ---- Formats: bytes of one message to one row (or several) and back.

// What becomes of a message that can't be read.
enum class BadRecord : uint8_t { kFail, kSkip };

// What a message has, and what is wanted of it: field `field` goes to column `column` of the batch.
struct DecodedRow {
  struct Wanted {
    size_t field = 0;
    size_t column = 0;
  };
  // What a message says besides its fields: by its key in TableFormat::metadata().
  struct WantedMetadata {
    std::string key;
    size_t column = 0;
  };
  RowType message;
  std::vector<Wanted> wanted;  // each field and each column at most once
  std::vector<WantedMetadata> metadata = {};

  // All fields, in their order.
  static DecodedRow all(RowType message);
};

// What a format may use of the outside world: those that ask a service, such as a registry of
// schemas. All of it outlives the decoders and encoders that are given it.
struct FormatContext {
  Network* network = nullptr;
  Executor* executor = nullptr;
  Clock* clock = nullptr;
  // Called on any thread, sometimes in vain, until the decoder or encoder is destroyed: a call that
  // was answered with "not yet" may now be made again. It must be quick. Empty: whoever calls may
  // block, and so the format waits within the call.
  std::function<void()> wake;
};

// Reads messages, or a stream of bytes that holds many, into columns. One thread.
class RowDecoder {
 public:
  // What `read` answers.
  enum class Next : uint8_t {
    kFull,        // the batch has as many rows as it may
    kNeedsBytes,  // call again with what was not taken and more bytes behind it
    kEnd,         // the stream has ended
    kFailed,      // status()
  };
  virtual ~RowDecoder() = default;

  // Once, before all else; needless for formats whose `needs_world` is false. Never blocks.
  virtual Status open(const FormatContext& /*context*/) { return {}; }

  // Appends the row of `message` to the batch, to whose columns it was told to write: of a change
  // that is an update two rows, and the kinds of rows (`make_kinds`) for formats of change logs.
  // Text may point into the message, whose bytes live as long as the batch. Returns false when the
  // message is no row (empty, or skipped and counted). Errors: kRecordMalformed, saying what is
  // wrong and where; kFormatNotYet: the same message is to be given again after FormatContext::wake
  // was called. With either nothing of the message is appended.
  virtual Result<bool> decode(Text message, RowBatch<ColumnRow>& rows) = 0;

  // ---- Streams. As it is here, each line is a message.

  // How messages name the stream. Before the first `read`; another stream takes another decoder.
  virtual void name_stream(std::string place) { place_ = std::move(place); }
  // Has reading go on at a record of line `line`. A format that needs a header has read it.
  virtual void go_on(int64_t line) { line_ = line; }
  // Until the start of the stream has been read, for which `read` needs no room for rows.
  virtual bool needs_header() const { return false; }
  // Appends rows to the batch until it has `rows_max`, from the start of `bytes`, of which `taken`
  // can be dropped afterwards, whatever the answer is. `ended`: no bytes come after these. What was
  // not taken may be elsewhere at the next call, but not changed.
  virtual Next read(std::string_view bytes, bool ended, size_t& taken, RowBatch<ColumnRow>& rows,
                    uint32_t rows_max);
  // The line at which the next record begins, from 1.
  virtual int64_t line() const { return line_; }
  // After kFailed. Errors: kRecordMalformed, kSqlOption when a header lacks columns.
  const Status& status() const { return status_; }

  // Messages that were left out, or of which values were left out, since the decoder was made.
  int64_t skipped() const { return skipped_; }

 protected:
  std::string place_ = "message";
  int64_t line_ = 1;
  Status status_;
  int64_t skipped_ = 0;
};

// Writes rows as messages. One for each subtask, one thread.
class RowEncoder {
 public:
  virtual ~RowEncoder() = default;
  // Once, before all else; needless for formats whose `needs_world` is false. Never blocks.
  virtual Status open(const FormatContext& /*context*/) { return {}; }
  // False: rows can't be encoded yet; FormatContext::wake is called when asking again may help.
  // Once true, it stays true. Errors: those of a service that the format asks.
  virtual Result<bool> ready() { return true; }
  // Appends the message of row `row`: for formats of change logs, of the change that it is.
  // Errors: kRecordMalformed.
  virtual Status encode(const RowBatch<ColumnRow>& rows, uint32_t row, std::string& message) = 0;

  // ---- Streams. As it is here, each message is a line.

  // Whether a stream is made of blocks that hold several rows, instead of lines.
  virtual bool writes_blocks() const { return false; }
  // Appends a block of these rows of the batch, at least one. Errors: kRecordMalformed.
  virtual Status encode_block(const RowBatch<ColumnRow>& rows, std::span<const uint32_t> indexes,
                              std::string& stream);
};

using MakeDecoder = std::function<std::unique_ptr<RowDecoder>()>;
using MakeEncoder = std::function<std::unique_ptr<RowEncoder>()>;

class TableFormat {
 public:
  virtual ~TableFormat() = default;
  virtual std::string_view name() const = 0;
  // With the format's name before them: "json.ignore-parse-errors".
  virtual std::vector<TableOption> options() const = 0;
  // What it can say of changes; kRetract and kUpsert for formats of change logs.
  virtual ChangelogKinds changelog() const { return ChangelogKinds::kAppend; }
  // Whether decoders and encoders have to be opened with a FormatContext.
  virtual bool needs_world() const { return false; }
  // False: what is written are single messages, which can't be told from each other in a file.
  virtual bool has_streams() const { return true; }
  // What a message says besides its fields, all of it read only; see DecodedRow::metadata.
  virtual RowType metadata() const { return {}; }
  // For connectors whose messages lie in a topic, before `decoder` and `encoder`: sets the options
  // that follow from it and were not given. `of_keys`: the messages are the keys of others.
  virtual void name_topic(const std::string& /*topic*/, bool /*of_keys*/,
                          TableOptions& /*options*/) const {}
  // Each line of a stream is a message, so that reading can begin at any line.
  virtual bool messages_are_lines(const TableOptions& /*options*/) const { return false; }
  // What opens each file of messages; such as a header.
  virtual std::string file_head(const RowType& /*type*/, TableOptions& /*options*/) const {
    return {};
  }
  // Errors: kSqlType; those of options are noted in `options`.
  virtual Result<MakeDecoder> decoder(const DecodedRow& row, TableOptions& options) const = 0;
  // Field number i of a message is column columns[i] of a batch.
  virtual Result<MakeEncoder> encoder(const RowType& message, const std::vector<size_t>& columns,
                                      TableOptions& options) const = 0;
};

// ---- Connectors

// A column of a table, or one field of it: `fields` leads down through its rows, by index.
struct ColumnPath {
  size_t column = 0;
  std::vector<size_t> fields = {};
};

// How much there is to read, as far as that is known without reading; -1: it is not.
struct TableEstimate {
  int64_t rows = -1;
  int64_t bytes = -1;
};

// Reads a table. Made for one place of one query; the planner first says what it needs.
class TableSource {
 public:
  virtual ~TableSource() = default;
  virtual ChangelogKinds changelog() const { return ChangelogKinds::kAppend; }
  virtual bool is_bounded() const { return true; }
  // Has the stream have these columns of the definition, in this order, each at most once. False:
  // it has all of them, as they were declared.
  virtual bool project(const std::vector<size_t>& /*columns*/) { return false; }
  // The same for fields of columns: each makes a column, NULL where a row that it lies in is NULL.
  virtual bool project_fields(const std::vector<ColumnPath>& /*paths*/) { return false; }
  // Has the stream have only rows in which column `column` of the definition, a number, is one of
  // `values`. False: it may have others too.
  virtual bool keep_only(size_t /*column*/, const std::vector<int64_t>& /*values*/) {
    return false;
  }
  // For EXPLAIN. May look at files, as `add_to` may not.
  virtual TableEstimate estimate(FileSystem& /*files*/) const { return {}; }
  // No more rows are needed; a source may ignore it.
  virtual void limit(int64_t /*rows*/) {}
  // Adds the source's operators to the job, with names and uids that begin with `name` and `uid`.
  virtual Result<Stream<ColumnRow>> add_to(Env& env, const std::string& name,
                                           const std::string& uid) = 0;
};

// Writes a table.
class TableSink {
 public:
  virtual ~TableSink() = default;
  // What it takes at most; it may be given less.
  virtual ChangelogKinds changelog() const { return ChangelogKinds::kAppend; }
  // `rows` has the columns of the definition that are not virtual, in order.
  virtual Status add_to(Env& env, Stream<ColumnRow> rows, const std::string& name,
                        const std::string& uid) = 0;
};

// ---- Lookups: tables on the right side of a lookup join.

// What is kept of what was looked up.
struct LookupCaching {
  enum class Kind : uint8_t {
    kNone,
    kPartial,  // rows of the keys that were asked for
    kFull,     // the whole table, read before the first row is joined, and again from time to time
  };
  Kind kind = Kind::kNone;
  // Of kPartial. 0: no limit.
  int64_t rows_max = 0;
  Duration expire_after_write{0};
  Duration expire_after_access{0};
  bool keeps_misses = true;  // that a key has no rows
  // Of kFull; 0: it is read once.
  Duration reload_every{0};
};

// The options 'lookup.cache', 'lookup.partial-cache.*' and 'lookup.full-cache.*' for the kinds of
// cache that a connector can do, the first of which is its default.
std::vector<TableOption> lookup_options(const std::vector<LookupCaching::Kind>& kinds);
LookupCaching read_lookup_caching(TableOptions& options,
                                  const std::vector<LookupCaching::Kind>& kinds);

// Rows that were found. `rows` is a batch of the columns that were asked for.
struct LookedUpRows {
  RowBatch<ColumnRow>* rows = nullptr;
  std::vector<uint32_t> keys;  // of each row, the number of its key; rising
};

// Reads rows of one table. One for each subtask. All calls come on the blocking pool, and may
// block; one at a time, unless TableLookup::is_concurrent.
class RowLookup {
 public:
  virtual ~RowLookup() = default;
  // Appends the rows of `count` keys; keys[i] has the values of the i-th key column. Values are not
  // NULL.
  virtual Status find(std::span<const ColumnView> keys, uint32_t count, LookedUpRows& found);
  // Appends all rows of the table.
  virtual Status load(RowBatch<ColumnRow>& rows);
};

// How the rows of a table are found by keys. Made for one place of one query.
class TableLookup {
 public:
  virtual ~TableLookup() = default;
  // With kFull `load` is called, else `find`.
  virtual LookupCaching caching() const = 0;
  // Whether `find` may be called for several keys at the same time.
  virtual bool is_concurrent() const { return false; }
  // How often a call that fails is made again.
  virtual int32_t retries_max() const { return 0; }
  // Rows are found by `keys`, and have `columns`; both are columns of the definition. What it gives
  // makes the reader of a subtask, in the world that `files` belongs to.
  virtual Result<std::function<Result<std::unique_ptr<RowLookup>>(FileSystem& files)>> reader(
      const std::vector<size_t>& keys, const std::vector<size_t>& columns) = 0;
};

// What a factory is given.
struct TableContext {
  const TableDefinition& table;
  const TableRegistry& registry;  // for formats
};

class TableConnector {
 public:
  virtual ~TableConnector() = default;
  virtual std::string_view name() const = 0;
  virtual std::vector<TableOption> options() const = 0;  // without those of formats
  virtual bool can_read() const { return true; }
  virtual bool can_write() const { return true; }
  // Metadata columns: keys with their types. An unknown key is the planner's error.
  virtual RowType metadata() const { return {}; }
  // Errors: kSqlOption and kSqlType. Nothing outside is touched before the job runs, but for
  // `infer`.
  virtual Result<std::unique_ptr<TableSource>> source(const TableContext& context) const;
  virtual Result<std::unique_ptr<TableSink>> sink(const TableContext& context) const;
  // Null: rows can't be looked up.
  virtual Result<std::unique_ptr<TableLookup>> lookup(const TableContext& context) const;
  // The partitions there are now, as `a=1/b=2`, in their order. Errors: kSqlUnsupported when it has
  // none.
  virtual Result<std::vector<std::string>> partitions(FileSystem& files,
                                                      const TableContext& context) const;
};

// Connectors and formats that come from elsewhere when they are first asked for by name: plug-ins.
// One thread at a time.
class TableExtensions {
 public:
  virtual ~TableExtensions() = default;
  // Null: there is none of that name. What is given lives as long as this. Errors: kJobLibrary,
  // why the one of that name can't be used.
  virtual Result<const TableConnector*> connector(const std::string& name) = 0;
  virtual Result<const TableFormat*> format(const std::string& name) = 0;
  virtual std::vector<std::string> connector_names() = 0;
  virtual std::vector<std::string> format_names() = 0;
  // What is in the way of others, for a message about a name that is not found; empty: nothing.
  virtual std::string troubles() = 0;
};

// What a program's SQL can use. Filled once, then read by any thread; with extensions by one thread
// at a time.
class TableRegistry {
 public:
  void add(std::unique_ptr<TableConnector> connector);
  void add(std::unique_ptr<TableFormat> format);
  // Is asked before what was added, so that it can refuse a name that both have.
  void extend(std::unique_ptr<TableExtensions> extensions);
  // Errors: kSqlOption with all names there are, and the one that was meant; those of extensions.
  Result<const TableConnector*> connector(const std::string& name) const;
  Result<const TableFormat*> format(const std::string& name) const;
  std::vector<std::string> connector_names() const;
  std::vector<std::string> format_names() const;

  // The format that a table names under 'format' or `key`; its options become known to `options`.
  Result<const TableFormat*> format_of(TableOptions& options,
                                       const std::string& key = "format") const;

 private:
  std::map<std::string, std::unique_ptr<TableConnector>> connectors_;
  std::map<std::string, std::unique_ptr<TableFormat>> formats_;
  std::unique_ptr<TableExtensions> extensions_;
};

}  // namespace tidewheel
