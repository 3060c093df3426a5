#include "tidewheel/sql/user_function.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "tidewheel/api/function_library.h"
#include "tidewheel/base/config.h"
#include "tidewheel/sql/function_table.h"
#include "tidewheel/sql/table_function.h"
#include "tidewheel/sql/type_text.h"
#include "tidewheel/sql/typing.h"
#include "tidewheel/sql/user_aggregate.h"
#include "tidewheel/sql/value_sink.h"

namespace tidewheel::sql {
namespace {

// One entry, its types read.
struct Overload {
  abi::FunctionEntry entry;
  std::vector<LogicalType> arguments;
  LogicalType result;

  bool has(abi::FunctionFlags flag) const { return (entry.flags & flag) != 0; }
  // "f(DOUBLE, STRING)"
  std::string usage(const std::string& name) const {
    std::string out;
    for (const LogicalType& argument : arguments) {
      out += (out.empty() ? "" : ", ") + argument.as_nullable().to_string();
    }
    return name + "(" + out + ")";
  }
};
using Overloads = std::vector<Overload>;

Result<Overload> read_entry(const abi::FunctionEntry& entry) {
  Overload overload;
  overload.entry = entry;
  for (uint32_t i = 0; i < entry.argument_count; ++i) {
    TIDEWHEEL_ASSIGN_OR_RETURN(LogicalType type, parse_logical_type(entry.argument_types[i]));
    overload.arguments.push_back(std::move(type));
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(overload.result, parse_logical_type(entry.result_type));
  return overload;
}

// Those whose arguments need no cast come first, then the first that can be called at all.
const Overload* choose(const Overloads& overloads, std::span<const Argument> arguments) {
  const Overload* possible = nullptr;
  for (const Overload& one : overloads) {
    if (one.arguments.size() != arguments.size()) { continue; }
    bool fits = true;
    bool is_exact = true;
    for (size_t i = 0; i < arguments.size(); ++i) {
      const LogicalType& given = arguments[i].type;
      fits = fits && can_cast_implicitly(given, one.arguments[i]);
      is_exact = is_exact && given.same_type(one.arguments[i]);
    }
    if (fits && is_exact) { return &one; }
    if (fits && possible == nullptr) { possible = &one; }
  }
  return possible;
}

Status none_fits(const std::string& name, const Overloads& overloads,
                 std::span<const Argument> arguments) {
  std::string usage;
  for (const Overload& one : overloads) {
    usage += (usage.empty() ? "" : " or ") + one.usage(name);
  }
  return wrong_arguments(name, arguments, usage);
}

const Overload& chosen(const Overloads& overloads, std::span<const LogicalType> types) {
  std::vector<Argument> arguments;
  for (const LogicalType& type : types) { arguments.push_back({type, nullptr}); }
  const Overload* const found = choose(overloads, arguments);
  TIDEWHEEL_CHECK(found != nullptr, "a user's function is made for types that it does not take");
  return *found;
}

// Keeps the reason that a function gives for its failure.
struct Failure {
  std::string text;
  static void note(void* engine, const char* text, size_t bytes) {
    static_cast<Failure*>(engine)->text.assign(text, bytes);
  }
};

Status failed(const std::string& name, const std::string& text) {
  return invalid_argument(ErrorId::kSqlValue, "the function {} has failed: {}", name, text);
}

// ---- A value for each row

class UserKernel final : public Kernel {
 public:
  UserKernel(std::string name, const abi::FunctionEntry& entry, std::shared_ptr<const void> owner)
      : name_(std::move(name)), entry_(entry), owner_(std::move(owner)) {}

  Status run(const KernelCall& call) override {
    ColumnSink column(*call.result, *call.arena);
    abi::ValueSink sink = column.make();
    Failure failure;
    abi::CallFrame frame;
    frame.rows = call.rows;
    frame.active = call.active;
    frame.arguments = call.arguments.data();
    frame.result = &sink;
    frame.fail = &Failure::note;
    frame.engine = &failure;
    const int32_t answer = entry_.call(entry_.function, &frame);
    column.finish(sink);
    return answer == abi::kOk ? ok_status() : failed(name_, failure.text);
  }

 private:
  const std::string name_;
  const abi::FunctionEntry entry_;
  const std::shared_ptr<const void> owner_;
};

FunctionTraits traits_of(const Overloads& overloads) {
  const auto all = [&](abi::FunctionFlags flag) {
    return std::all_of(overloads.begin(), overloads.end(),
                       [&](const Overload& one) { return one.has(flag); });
  };
  const auto any = [&](abi::FunctionFlags flag) {
    return std::any_of(overloads.begin(), overloads.end(),
                       [&](const Overload& one) { return one.has(flag); });
  };
  FunctionTraits traits;
  traits.is_deterministic = !any(abi::kIsVolatile);
  traits.varies_by_row = any(abi::kIsVolatile);
  traits.is_strict = !any(abi::kTakesNulls);
  traits.is_careful = !all(abi::kNeverFails);
  return traits;
}

class UserScalarFunction final : public ScalarFunction {
 public:
  UserScalarFunction(std::string name, Overloads overloads, std::shared_ptr<const void> owner)
      : ScalarFunction(std::move(name), traits_of(overloads)),
        overloads_(std::move(overloads)),
        owner_(std::move(owner)) {}

  Result<Signature> resolve(std::span<const Argument> arguments) const override {
    const Overload* const found = choose(overloads_, arguments);
    if (found == nullptr) { return none_fits(name(), overloads_, arguments); }
    Signature signature;
    signature.result = found->result;
    for (size_t i = 0; i < arguments.size(); ++i) {
      const bool may_be_null =
          arguments[i].type.nullable || arguments[i].type.kind == TypeKind::kNull;
      signature.arguments.push_back(found->arguments[i].as_nullable(may_be_null));
      // A parameter that takes no NULL makes the result NULL.
      if (may_be_null && !found->arguments[i].nullable) { signature.result.nullable = true; }
    }
    return signature;
  }

  Result<std::unique_ptr<Kernel>> make_kernel(const KernelSetup& setup) const override {
    return std::unique_ptr<Kernel>(
        std::make_unique<UserKernel>(name(), chosen(overloads_, setup.arguments).entry, owner_));
  }

 private:
  const Overloads overloads_;
  const std::shared_ptr<const void> owner_;
};

// ---- A table for each row

class UserTableKernel final : public TableKernel {
 public:
  UserTableKernel(std::string name, const Overload& overload, std::shared_ptr<const void> owner)
      : name_(std::move(name)), entry_(overload.entry), owner_(std::move(owner)) {
    for (const LogicalType& type : overload.result.children) { unneeded_.emplace_back(type); }
  }

  Status run(TableCall& call) override {
    std::deque<ColumnSink> columns;
    std::vector<abi::ValueSink> sinks;
    for (size_t i = 0; i < call.outputs.size(); ++i) {
      unneeded_[i].clear();
      Column* const to = call.outputs[i] != nullptr ? call.outputs[i] : &unneeded_[i];
      sinks.push_back(columns.emplace_back(*to, *call.arena).make());
    }
    State state;
    state.origins = call.origins;
    abi::TableFrame frame;
    frame.row = call.row;
    frame.end = call.end;
    frame.rows_max = call.rows_max;
    frame.arguments = call.arguments.data();
    frame.columns = sinks.data();
    frame.made = &State::made;
    frame.fail = &State::fail;
    frame.engine = &state;
    const int32_t answer = entry_.call_table(entry_.function, &frame);
    for (size_t i = 0; i < sinks.size(); ++i) { columns[i].finish(sinks[i]); }
    call.row = frame.row;
    return answer == abi::kOk ? ok_status() : failed(name_, state.failure.text);
  }

 private:
  struct State {
    std::vector<uint32_t>* origins = nullptr;
    Failure failure;
    static void made(void* engine, uint32_t row, uint32_t count) {
      auto* const state = static_cast<State*>(engine);
      state->origins->insert(state->origins->end(), count, row);
    }
    static void fail(void* engine, const char* text, size_t bytes) {
      Failure::note(&static_cast<State*>(engine)->failure, text, bytes);
    }
  };

  const std::string name_;
  const abi::FunctionEntry entry_;
  const std::shared_ptr<const void> owner_;
  std::vector<Column> unneeded_;
};

class UserTableFunction final : public TableFunction {
 public:
  UserTableFunction(std::string name, Overloads overloads, std::shared_ptr<const void> owner)
      : TableFunction(std::move(name)),
        overloads_(std::move(overloads)),
        owner_(std::move(owner)) {}

  Result<TableSignature> resolve(std::span<const Argument> arguments) const override {
    const Overload* const found = choose(overloads_, arguments);
    if (found == nullptr) { return none_fits(name(), overloads_, arguments); }
    TableSignature signature;
    for (size_t i = 0; i < arguments.size(); ++i) {
      const bool may_be_null =
          arguments[i].type.nullable || arguments[i].type.kind == TypeKind::kNull;
      signature.arguments.push_back(found->arguments[i].as_nullable(may_be_null));
    }
    signature.result.names = found->result.names;
    signature.result.types = found->result.children;
    return signature;
  }

  Result<std::unique_ptr<TableKernel>> make_kernel(
      const std::vector<LogicalType>& arguments) const override {
    return std::unique_ptr<TableKernel>(
        std::make_unique<UserTableKernel>(name(), chosen(overloads_, arguments), owner_));
  }

 private:
  const Overloads overloads_;
  const std::shared_ptr<const void> owner_;
};

// ---- A value for each row, that comes later

// Where an answer goes; the function calls it once.
struct PendingAnswer {
  std::function<void(AsyncKernel::Answer)> done;

  static void give(void* engine, bool is_failed, const char* bytes, size_t size) {
    const std::unique_ptr<PendingAnswer> self(static_cast<PendingAnswer*>(engine));
    self->done({is_failed, std::string(bytes, size)});
  }
  static void complete(void* engine, const char* bytes, size_t size) {
    give(engine, false, bytes, size);
  }
  static void fail(void* engine, const char* text, size_t size) { give(engine, true, text, size); }
};

class UserAsyncKernel final : public AsyncKernel {
 public:
  UserAsyncKernel(std::string name, const Overload& overload, std::shared_ptr<const void> owner)
      : name_(std::move(name)), overload_(overload), owner_(std::move(owner)) {}

  bool skips_null(size_t argument) const override {
    return !overload_.arguments[argument].nullable;
  }
  void call(std::span<const ColumnView> arguments, uint32_t row,
            std::function<void(Answer)> done) override {
    abi::AsyncFrame frame;
    frame.row = row;
    frame.arguments = arguments.data();
    frame.call.complete = &PendingAnswer::complete;
    frame.call.fail = &PendingAnswer::fail;
    frame.call.engine = std::make_unique<PendingAnswer>(std::move(done)).release();
    overload_.entry.async->call(overload_.entry.function, &frame);
  }
  Status write(const std::string& bytes, Column& column, uint32_t row, Arena& arena) override {
    column.ensure(row + 1);
    ColumnSink to(column, arena);
    abi::ValueSink sink = to.make();
    const int32_t answer = overload_.entry.async->write(bytes.data(), bytes.size(), &sink, row);
    to.finish(sink);
    return answer == abi::kOk ? ok_status() : failed(name_, "its value can't be read");
  }

 private:
  const std::string name_;
  const Overload overload_;
  const std::shared_ptr<const void> owner_;
};

class UserAsyncFunction final : public TableFunction {
 public:
  UserAsyncFunction(std::string name, Overloads overloads, std::shared_ptr<const void> owner)
      : TableFunction(std::move(name)),
        overloads_(std::move(overloads)),
        owner_(std::move(owner)) {}

  bool is_async() const override { return true; }
  Result<TableSignature> resolve(std::span<const Argument> arguments) const override {
    const Overload* const found = choose(overloads_, arguments);
    if (found == nullptr) { return none_fits(name(), overloads_, arguments); }
    TableSignature signature;
    LogicalType result = found->result;
    for (size_t i = 0; i < arguments.size(); ++i) {
      const bool may_be_null =
          arguments[i].type.nullable || arguments[i].type.kind == TypeKind::kNull;
      signature.arguments.push_back(found->arguments[i].as_nullable(may_be_null));
      if (may_be_null && !found->arguments[i].nullable) { result.nullable = true; }
    }
    signature.result.add("f0", std::move(result));
    return signature;
  }
  Result<std::unique_ptr<TableKernel>> make_kernel(const std::vector<LogicalType>&) const override {
    return internal_error(ErrorId::kSqlUnsupported, "{} is asynchronous", name());
  }
  Result<std::unique_ptr<AsyncKernel>> make_async_kernel(
      const std::vector<LogicalType>& arguments) const override {
    return std::unique_ptr<AsyncKernel>(
        std::make_unique<UserAsyncKernel>(name(), chosen(overloads_, arguments), owner_));
  }

 private:
  const Overloads overloads_;
  const std::shared_ptr<const void> owner_;
};

Status cant_understand(const std::string& name, std::string_view reason) {
  return invalid_argument(ErrorId::kJobLibrary, "the function {} can't be understood: {}", name,
                          reason);
}

Result<NamedFunction> make_aggregate(const std::string& name, const Overloads& overloads,
                                     const std::shared_ptr<const void>& owner) {
  std::vector<UserAggregateRef> made;
  for (const Overload& one : overloads) {
    if (one.entry.kind != abi::FunctionKind::kAggregate) {
      return cant_understand(name, "it is defined as functions of several kinds");
    }
    made.push_back(
        std::make_shared<UserAggregate>(name, one.entry, one.arguments, one.result, owner));
  }
  return NamedFunction{nullptr, nullptr, std::make_shared<UserAggregates>(name, std::move(made))};
}

Result<NamedFunction> make_function(const std::string& name, Overloads overloads,
                                    const std::shared_ptr<const void>& owner) {
  const Overload& first = overloads.front();
  if (first.entry.kind == abi::FunctionKind::kAggregate) {
    return make_aggregate(name, overloads, owner);
  }
  for (const Overload& one : overloads) {
    if (one.entry.kind != first.entry.kind) {
      return cant_understand(name, "it is defined as functions of several kinds");
    }
    if (one.has(abi::kTakesNulls) != first.has(abi::kTakesNulls)) {
      return cant_understand(name,
                             "of its overloads, some take NULLs (std::optional) and some do not");
    }
  }
  if (first.entry.kind == abi::FunctionKind::kScalar) {
    return NamedFunction{std::make_shared<UserScalarFunction>(name, std::move(overloads), owner),
                         nullptr, nullptr};
  }
  if (first.entry.kind == abi::FunctionKind::kAsync) {
    return NamedFunction{
        nullptr, std::make_shared<UserAsyncFunction>(name, std::move(overloads), owner), nullptr};
  }
  return NamedFunction{
      nullptr, std::make_shared<UserTableFunction>(name, std::move(overloads), owner), nullptr};
}

}  // namespace

Result<UserFunctionsRef> UserFunctions::read(const abi::FunctionTable& table,
                                             std::shared_ptr<const void> owner) {
  // Entries of an older library may end before fields that came later.
  constexpr size_t kEntryBytesMin = offsetof(abi::FunctionEntry, aggregate);
  if (table.abi != abi::kFunctionAbi || table.entry_bytes < kEntryBytesMin) {
    return invalid_argument(ErrorId::kJobLibrary,
                            "its functions speak version {} of the border, and here is version {}",
                            table.abi, abi::kFunctionAbi);
  }
  std::map<std::string, Overloads> by_name;
  const char* at = reinterpret_cast<const char*>(table.entries);
  for (uint32_t i = 0; i < table.count; ++i, at += table.entry_bytes) {
    abi::FunctionEntry entry;
    std::memcpy(&entry, at, std::min<size_t>(table.entry_bytes, sizeof(entry)));
    Result<Overload> overload = read_entry(entry);
    if (!overload.ok()) { return cant_understand(entry.name, overload.status().message()); }
    const bool is_known =
        (entry.kind == abi::FunctionKind::kScalar && entry.call != nullptr) ||
        (entry.kind == abi::FunctionKind::kTable && entry.call_table != nullptr) ||
        (entry.kind == abi::FunctionKind::kAggregate && entry.aggregate != nullptr) ||
        (entry.kind == abi::FunctionKind::kAsync && entry.async != nullptr);
    if (!is_known) { return cant_understand(entry.name, "it is of a kind that is not known here"); }
    by_name[entry.name].push_back(std::move(*overload));
  }
  auto functions = std::make_shared<UserFunctions>();
  for (auto& [name, overloads] : by_name) {
    TIDEWHEEL_ASSIGN_OR_RETURN(NamedFunction made,
                               make_function(name, std::move(overloads), owner));
    functions->functions_.emplace(name, std::move(made));
  }
  return UserFunctionsRef(std::move(functions));
}

Result<UserFunctionsRef> UserFunctions::of(std::shared_ptr<const FunctionLibrary> library) {
  abi::FunctionTable table;
  table.count = static_cast<uint32_t>(library->entries().size());
  table.entries = library->entries().data();
  return read(table, std::move(library));
}

Result<NamedFunction> UserFunctions::find(std::string_view name) const {
  if (const auto it = functions_.find(name); it != functions_.end()) { return it->second; }
  const std::vector<std::string> all = names();
  const std::vector<std::string_view> views(all.begin(), all.end());
  const std::string nearest = nearest_text(name, views);
  std::string list;
  for (const std::string& one : all) { list += (list.empty() ? "" : ", ") + one; }
  return not_found(ErrorId::kSqlName, "there is no function '{}' among those of the library ({}){}",
                   name, list, nearest.empty() ? "" : "; did you mean '" + nearest + "'?");
}

std::vector<std::string> UserFunctions::names() const {
  std::vector<std::string> names;
  for (const auto& [name, function] : functions_) { names.push_back(name); }
  return names;
}

}  // namespace tidewheel::sql
