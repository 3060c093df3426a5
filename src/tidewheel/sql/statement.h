// The trees of statements as they were written.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "tidewheel/sql/box.h"
#include "tidewheel/sql/query.h"

namespace tidewheel::sql {

struct Statement;

// ---- CREATE TABLE and its parts

struct PhysicalColumn {
  Identifier name;
  DataType type;
  bool primary_key = false;
  std::optional<std::string> comment;
  friend bool operator==(const PhysicalColumn&, const PhysicalColumn&) = default;
};
// name type METADATA [FROM 'key'] [VIRTUAL]
struct MetadataColumn {
  Identifier name;
  DataType type;
  std::optional<std::string> key;
  bool is_virtual = false;
  std::optional<std::string> comment;
  friend bool operator==(const MetadataColumn&, const MetadataColumn&) = default;
};
// name AS expression
struct ComputedColumn {
  Identifier name;
  Expression value;
  std::optional<std::string> comment;
  friend bool operator==(const ComputedColumn&, const ComputedColumn&) = default;
};
// A name alone, in CREATE TABLE .. AS: which column of the query comes here.
struct ColumnReference {
  Identifier name;
  friend bool operator==(const ColumnReference&, const ColumnReference&) = default;
};
using Column = std::variant<PhysicalColumn, MetadataColumn, ComputedColumn, ColumnReference>;
const Identifier& column_name(const Column& column);

struct WatermarkDefinition {
  Name column;
  Expression value;
  friend bool operator==(const WatermarkDefinition&, const WatermarkDefinition&) = default;
};
struct PrimaryKey {
  std::optional<Identifier> name;
  std::vector<Identifier> columns;
  Span span;
  friend bool operator==(const PrimaryKey&, const PrimaryKey&) = default;
};
struct Distribution {
  enum class Kind : uint8_t { kUnsaid, kHash, kRange };
  Kind kind = Kind::kUnsaid;
  std::vector<Identifier> columns;
  std::optional<int64_t> buckets;
  friend bool operator==(const Distribution&, const Distribution&) = default;
};
struct LikeTable {
  enum class Action : uint8_t { kIncluding, kExcluding, kOverwriting };
  enum class Feature : uint8_t {
    kAll,
    kConstraints,
    kDistribution,
    kGenerated,
    kMetadata,
    kOptions,
    kPartitions,
    kWatermarks,
  };
  struct Rule {
    Action action = Action::kIncluding;
    Feature feature = Feature::kAll;
    friend bool operator==(const Rule&, const Rule&) = default;
  };
  Name table;
  std::vector<Rule> rules;
  friend bool operator==(const LikeTable&, const LikeTable&) = default;
};

// What makes a table the result of a query that goes on: how old its rows may be, and who renews
// them.
struct Materialization {
  enum class Mode : uint8_t { kUnsaid, kContinuous, kFull };
  IntervalLiteral freshness;
  Mode mode = Mode::kUnsaid;
  friend bool operator==(const Materialization&, const Materialization&) = default;
};

struct CreateTable {
  bool or_replace = false;
  bool replace = false;  // REPLACE TABLE, without CREATE
  bool temporary = false;
  bool if_not_exists = false;
  Name name;
  std::vector<Column> columns;
  std::optional<WatermarkDefinition> watermark;
  std::optional<PrimaryKey> primary_key;
  std::optional<std::string> comment;
  std::optional<Distribution> distribution;
  std::vector<Identifier> partitioned_by;
  std::vector<Option> options;
  std::optional<LikeTable> like;
  std::optional<Materialization> materialization;  // CREATE MATERIALIZED TABLE: with a query
  std::optional<Query> query;
  friend bool operator==(const CreateTable&, const CreateTable&) = default;
};

// ---- Other objects

struct CreateView {
  bool temporary = false;
  bool if_not_exists = false;
  Name name;
  std::vector<Identifier> columns;
  std::optional<std::string> comment;
  Query query;
  friend bool operator==(const CreateView&, const CreateView&) = default;
};
struct CreateCatalog {
  bool if_not_exists = false;
  Identifier name;
  std::optional<std::string> comment;
  std::vector<Option> options;
  friend bool operator==(const CreateCatalog&, const CreateCatalog&) = default;
};
struct CreateDatabase {
  bool if_not_exists = false;
  Name name;
  std::optional<std::string> comment;
  std::vector<Option> options;
  friend bool operator==(const CreateDatabase&, const CreateDatabase&) = default;
};
// CREATE FUNCTION f AS 'symbol' [LANGUAGE CPP] [USING LIBRARY 'path'], or ALTER FUNCTION.
struct CreateFunction {
  bool alters = false;
  bool temporary = false;
  bool system = false;
  bool if_not_exists = false;
  bool if_exists = false;  // of ALTER
  Name name;
  std::string symbol;
  std::optional<Identifier> language;
  std::vector<std::string> libraries;
  friend bool operator==(const CreateFunction&, const CreateFunction&) = default;
};

enum class ObjectKind : uint8_t {
  kTable,
  kView,
  kCatalog,
  kDatabase,
  kFunction,
  kMaterializedTable,
};

struct Drop {
  enum class Rest : uint8_t { kUnsaid, kRestrict, kCascade };
  ObjectKind kind = ObjectKind::kTable;
  bool temporary = false;
  bool system = false;
  bool if_exists = false;
  Name name;
  Rest rest = Rest::kUnsaid;
  friend bool operator==(const Drop&, const Drop&) = default;
};

// ---- ALTER

struct RenameTo {
  Name name;
  friend bool operator==(const RenameTo&, const RenameTo&) = default;
};
struct SetOptions {
  std::vector<Option> options;
  friend bool operator==(const SetOptions&, const SetOptions&) = default;
};
struct ResetOptions {
  std::vector<std::string> keys;
  friend bool operator==(const ResetOptions&, const ResetOptions&) = default;
};
// ADD (..) or MODIFY (..): columns with their places, a watermark, a primary key.
struct AlterSchema {
  struct Placed {
    Column column;
    bool first = false;
    std::optional<Identifier> after;
    friend bool operator==(const Placed&, const Placed&) = default;
  };
  bool modify = false;
  std::vector<Placed> columns;
  std::optional<WatermarkDefinition> watermark;
  std::optional<PrimaryKey> primary_key;
  friend bool operator==(const AlterSchema&, const AlterSchema&) = default;
};
struct DropColumns {
  std::vector<Identifier> columns;
  friend bool operator==(const DropColumns&, const DropColumns&) = default;
};
struct DropPart {
  enum class Kind : uint8_t { kPrimaryKey, kWatermark, kConstraint };
  Kind kind = Kind::kWatermark;
  std::optional<Identifier> name;  // of a constraint
  friend bool operator==(const DropPart&, const DropPart&) = default;
};
struct RenameColumn {
  Identifier from;
  Identifier to;
  friend bool operator==(const RenameColumn&, const RenameColumn&) = default;
};
// ALTER VIEW v AS ..
struct ReplaceQuery {
  Query query;
  friend bool operator==(const ReplaceQuery&, const ReplaceQuery&) = default;
};
// ALTER MATERIALIZED TABLE m SUSPEND, RESUME [WITH (..)]
struct AlterRefresh {
  enum class Action : uint8_t { kSuspend, kResume };
  Action action = Action::kSuspend;
  std::vector<Option> options;  // table options of the job that goes on
  friend bool operator==(const AlterRefresh&, const AlterRefresh&) = default;
};
struct Alter {
  ObjectKind kind = ObjectKind::kTable;
  bool if_exists = false;
  Name name;
  std::variant<RenameTo, SetOptions, ResetOptions, AlterSchema, DropColumns, DropPart, RenameColumn,
               ReplaceQuery, AlterRefresh>
      action;
  friend bool operator==(const Alter&, const Alter&) = default;
};

// ---- Statements on data

struct Insert {
  struct Partition {
    Identifier column;
    Expression value;
    friend bool operator==(const Partition&, const Partition&) = default;
  };
  bool overwrite = false;
  Name table;
  std::vector<Hint> hints;
  std::vector<Partition> partition;
  std::vector<Identifier> columns;
  Query query;
  friend bool operator==(const Insert&, const Insert&) = default;
};
// EXECUTE STATEMENT SET BEGIN ..; END
struct StatementSet {
  std::vector<Insert> inserts;
  friend bool operator==(const StatementSet&, const StatementSet&) = default;
};
struct Explain {
  enum class Detail : uint8_t {
    kEstimatedCost,
    kChangelogMode,
    kJsonExecutionPlan,
    kPlanAdvice,
    kAnalyze,  // runs it, and says what each operator did
  };
  std::vector<Detail> details;
  Box<Statement> statement;
  friend bool operator==(const Explain&, const Explain&);
};

// COMPILE PLAN 'file' [IF NOT EXISTS] FOR .., COMPILE AND EXECUTE PLAN 'file' FOR ..: of an INSERT
// or a statement set.
struct CompilePlan {
  std::string path;
  bool if_not_exists = false;
  bool executes = false;
  Box<Statement> statement;
  friend bool operator==(const CompilePlan&, const CompilePlan&);
};
struct ExecutePlan {
  std::string path;
  friend bool operator==(const ExecutePlan&, const ExecutePlan&) = default;
};

// ---- The session

struct Use {
  enum class Kind : uint8_t { kCatalog, kDatabase };
  Kind kind = Kind::kDatabase;
  Name name;
  friend bool operator==(const Use&, const Use&) = default;
};
struct Show {
  enum class What : uint8_t {
    kCatalogs,
    kDatabases,
    kTables,
    kViews,
    kFunctions,
    kUserFunctions,
    kColumns,
    kCreateTable,
    kCreateView,
    kCreateCatalog,
    kPartitions,
    kJobs,
    kCurrentCatalog,
    kCurrentDatabase,
    kCreateDatabase,
    kCreateFunction,
    kCreateMaterializedTable,
    kMaterializedTables,
    kModules,
    kFullModules,
    kJars,
    kProcedures,
  };
  What what = What::kTables;
  std::optional<Name> of;  // FROM or IN; what SHOW CREATE is about
  bool is_file = false;    // of SHOW CREATE TABLE 'flights.csv'
  bool not_like = false;
  bool ignore_case = false;  // ILIKE
  std::optional<std::string> like;
  std::vector<Option> partition;  // what those of SHOW PARTITIONS have: column and value
  friend bool operator==(const Show&, const Show&) = default;
};
struct Describe {
  ObjectKind kind = ObjectKind::kTable;
  bool extended = false;
  bool is_file = false;  // DESCRIBE 'flights.csv'
  Name name;
  friend bool operator==(const Describe&, const Describe&) = default;
};
// SET 'key' = 'value'; SET alone lists.
struct Set {
  std::optional<Option> option;
  friend bool operator==(const Set&, const Set&) = default;
};
struct Reset {
  std::optional<std::string> key;
  friend bool operator==(const Reset&, const Reset&) = default;
};
struct DescribeJob {
  std::string id;
  friend bool operator==(const DescribeJob&, const DescribeJob&) = default;
};
struct StopJob {
  std::string id;
  bool with_savepoint = false;
  bool with_drain = false;
  friend bool operator==(const StopJob&, const StopJob&) = default;
};

// LOAD MODULE m [WITH (..)], UNLOAD MODULE m, USE MODULES m, n
struct ModuleStatement {
  enum class Action : uint8_t { kLoad, kUnload, kUse };
  Action action = Action::kLoad;
  std::vector<Identifier> modules;  // one, but for kUse
  std::vector<Option> options;      // of kLoad
  friend bool operator==(const ModuleStatement&, const ModuleStatement&) = default;
};
// ADD JAR 'path', REMOVE JAR 'path': shared libraries of functions, connectors and formats.
struct LibraryStatement {
  bool removes = false;
  std::string path;
  Span path_span;
  friend bool operator==(const LibraryStatement&, const LibraryStatement&) = default;
};
// What is said to the client: nothing that a session could execute.
struct ClientStatement {
  enum class Action : uint8_t { kQuit, kHelp, kClear };
  Action action = Action::kQuit;
  friend bool operator==(const ClientStatement&, const ClientStatement&) = default;
};

struct Statement {
  std::variant<Query, CreateTable, CreateView, CreateCatalog, CreateDatabase, CreateFunction, Drop,
               Alter, Insert, StatementSet, Explain, Use, Show, Describe, Set, Reset, DescribeJob,
               StopJob, CompilePlan, ExecutePlan, ModuleStatement, LibraryStatement,
               ClientStatement>
      node;
  Span span;
  friend bool operator==(const Statement&, const Statement&) = default;
};

inline bool operator==(const Explain&, const Explain&) = default;
inline bool operator==(const CompilePlan&, const CompilePlan&) = default;

}  // namespace tidewheel::sql
