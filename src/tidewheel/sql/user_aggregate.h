// Aggregate functions that users write in C++ (api/function_aggregate.h), as functions of SQL and
// as accumulators.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/api/function_abi.h"
#include "tidewheel/base/status.h"
#include "tidewheel/sql/accumulator.h"
#include "tidewheel/sql/functions.h"

namespace tidewheel::sql {

// One, with its types. Immutable.
class UserAggregate {
 public:
  // `owner` keeps what the entry points to.
  UserAggregate(std::string name, const abi::FunctionEntry& entry,
                std::vector<LogicalType> arguments, LogicalType result,
                std::shared_ptr<const void> owner)
      : name_(std::move(name)),
        entry_(entry),
        arguments_(std::move(arguments)),
        result_(std::move(result)),
        owner_(std::move(owner)) {}

  const std::string& name() const { return name_; }
  const abi::AggregateCalls& calls() const { return *entry_.aggregate; }
  const void* function() const { return entry_.function; }
  const std::vector<LogicalType>& arguments() const { return arguments_; }
  const LogicalType& result() const { return result_; }
  bool takes_nulls() const { return (entry_.flags & abi::kTakesNulls) != 0; }
  bool has_retract() const { return calls().has_retract; }
  // Why it can't stand where rows are taken back.
  std::string no_retract_text() const;

 private:
  const std::string name_;
  const abi::FunctionEntry entry_;
  const std::vector<LogicalType> arguments_;
  const LogicalType result_;
  const std::shared_ptr<const void> owner_;
};

// The overloads of a name.
class UserAggregates {
 public:
  UserAggregates(std::string name, std::vector<UserAggregateRef> overloads)
      : name_(std::move(name)), overloads_(std::move(overloads)) {}
  // The overload that needs no cast, else the first that fits. Errors: kSqlType.
  Result<UserAggregateRef> resolve(std::span<const Argument> arguments) const;

 private:
  const std::string name_;
  const std::vector<UserAggregateRef> overloads_;
};

// Of a call with `user`.
std::unique_ptr<Accumulator> make_user_accumulator(const AggregateCall& call);

}  // namespace tidewheel::sql
