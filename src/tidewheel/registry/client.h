// A client of registries of schemas with the interface of Confluent's Schema Registry.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/api/table.h"
#include "tidewheel/base/status.h"
#include "tidewheel/registry/options.h"

namespace tidewheel::registry {

// What the registry has under an id. Those referred to come first, the schema itself last.
struct RegisteredSchema {
  std::string type;  // "AVRO", "JSON", "PROTOBUF"
  std::vector<std::string> texts;
  // Of each text what others call it: "" where it was not looked up by a name.
  std::vector<std::string> names = {};
};

// Looks up schemas by their ids, and registers them. What was answered is kept (of kKnownMax
// schemas, known.h), so that an outage is noticed only by what is not known yet. One thread; where
// the context has a `wake` no call blocks: a call is then run by a worker that ends with it.
class Client {
 public:
  Client(Options options, FormatContext context);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Errors: kFormatNotYet: it is asked for, and `wake` comes; kSchemaRegistry, when the registry
  // does not have it (kNotFound: it is not asked again for some seconds), says no, or could not be
  // reached.
  Result<std::shared_ptr<const RegisteredSchema>> schema(int32_t id);
  // The schema that a record names. Errors: as above, but a record is malformed (kRecordMalformed)
  // when the registry does not have it; kFormatSchema: it is of another type.
  Result<std::shared_ptr<const RegisteredSchema>> schema_of_record(int32_t id,
                                                                   std::string_view type);
  // The id of the schema under a subject. `registers`: it becomes the subject's next version when
  // it is none yet, which the registry may refuse as not compatible. Errors: as above.
  Result<int32_t> id_of(const std::string& subject, const RegisteredSchema& schema, bool registers);

 private:
  struct Request;
  class Call;
  struct Entry {
    std::shared_ptr<const RegisteredSchema> schema;
    std::shared_ptr<Call> call;  // while it is asked for
    Status missing;              // the registry does not have it,
    int64_t missing_until_ns = 0;
  };

  template <class Make>
  Status run(std::shared_ptr<Call>& call, const Make& make);
  void make_room();
  static void dismiss(std::shared_ptr<Call>& call);

  const std::shared_ptr<const Options> options_;
  const FormatContext context_;
  std::map<int32_t, Entry> schemas_;
  std::map<std::string, int32_t> ids_;  // by subject and schema
  std::map<std::string, std::shared_ptr<Call>> id_calls_;
};

}  // namespace tidewheel::registry
