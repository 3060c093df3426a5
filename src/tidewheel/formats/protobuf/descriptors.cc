// The one place that knows libprotobuf: reads descriptors and .proto files.
#include <google/protobuf/compiler/importer.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/descriptor_database.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <bit>
#include <map>
#include <memory>
#include <utility>

#include "tidewheel/formats/protobuf/schema.h"

namespace tidewheel::protobuf {
namespace {

namespace pb = google::protobuf;

constexpr size_t kMessagesMax = 10'000;

template <class... Args>
Status refuse(fmt::format_string<Args...> format, Args&&... args) {
  return invalid_argument(ErrorId::kFormatSchema, "schema of Protobuf: {}",
                          fmt::format(format, std::forward<Args>(args)...));
}

Kind kind_of(const pb::FieldDescriptor& field) {
  switch (field.type()) {
    case pb::FieldDescriptor::TYPE_INT32: return Kind::kInt32;
    case pb::FieldDescriptor::TYPE_INT64: return Kind::kInt64;
    case pb::FieldDescriptor::TYPE_UINT32: return Kind::kUint32;
    case pb::FieldDescriptor::TYPE_UINT64: return Kind::kUint64;
    case pb::FieldDescriptor::TYPE_SINT32: return Kind::kSint32;
    case pb::FieldDescriptor::TYPE_SINT64: return Kind::kSint64;
    case pb::FieldDescriptor::TYPE_FIXED32: return Kind::kFixed32;
    case pb::FieldDescriptor::TYPE_FIXED64: return Kind::kFixed64;
    case pb::FieldDescriptor::TYPE_SFIXED32: return Kind::kSfixed32;
    case pb::FieldDescriptor::TYPE_SFIXED64: return Kind::kSfixed64;
    case pb::FieldDescriptor::TYPE_BOOL: return Kind::kBool;
    case pb::FieldDescriptor::TYPE_ENUM: return Kind::kEnum;
    case pb::FieldDescriptor::TYPE_FLOAT: return Kind::kFloat;
    case pb::FieldDescriptor::TYPE_DOUBLE: return Kind::kDouble;
    case pb::FieldDescriptor::TYPE_STRING: return Kind::kString;
    case pb::FieldDescriptor::TYPE_BYTES: return Kind::kBytes;
    case pb::FieldDescriptor::TYPE_MESSAGE: return Kind::kMessage;
    case pb::FieldDescriptor::TYPE_GROUP: return Kind::kGroup;
  }
  return Kind::kBytes;
}

uint64_t widened(int64_t value) { return static_cast<uint64_t>(value); }

void set_default(const pb::FieldDescriptor& from, Field& to) {
  switch (from.cpp_type()) {
    case pb::FieldDescriptor::CPPTYPE_INT32: to.bits = widened(from.default_value_int32()); break;
    case pb::FieldDescriptor::CPPTYPE_INT64: to.bits = widened(from.default_value_int64()); break;
    case pb::FieldDescriptor::CPPTYPE_UINT32: to.bits = from.default_value_uint32(); break;
    case pb::FieldDescriptor::CPPTYPE_UINT64: to.bits = from.default_value_uint64(); break;
    case pb::FieldDescriptor::CPPTYPE_BOOL: to.bits = from.default_value_bool() ? 1 : 0; break;
    case pb::FieldDescriptor::CPPTYPE_FLOAT:
      to.bits = std::bit_cast<uint32_t>(from.default_value_float());
      break;
    case pb::FieldDescriptor::CPPTYPE_DOUBLE:
      to.bits = std::bit_cast<uint64_t>(from.default_value_double());
      break;
    case pb::FieldDescriptor::CPPTYPE_ENUM:
      to.bits = widened(from.default_value_enum()->number());
      break;
    case pb::FieldDescriptor::CPPTYPE_STRING: to.text = from.default_value_string(); break;
    case pb::FieldDescriptor::CPPTYPE_MESSAGE: break;
  }
}

// Copies what a message reaches.
class SchemaMaker {
 public:
  Result<Schema> make(const pb::Descriptor& root) {
    message(root);
    for (size_t i = 0; i < waiting_.size(); ++i) {
      if (waiting_.size() > kMessagesMax) { return refuse("it reaches too many messages"); }
      fill(*waiting_[i], i);
    }
    return std::move(schema_);
  }

 private:
  uint32_t message(const pb::Descriptor& type) {
    const auto [it, is_new] =
        messages_.emplace(&type, static_cast<uint32_t>(schema_.messages.size()));
    if (is_new) {
      schema_.messages.emplace_back();
      waiting_.push_back(&type);
    }
    return it->second;
  }
  uint32_t enumeration(const pb::EnumDescriptor& type) {
    const auto [it, is_new] = enums_.emplace(&type, static_cast<uint32_t>(schema_.enums.size()));
    if (!is_new) { return it->second; }
    Enum made{.name = type.full_name(), .values = {}, .is_closed = false};
    made.is_closed = type.file()->syntax() == pb::FileDescriptor::SYNTAX_PROTO2;
    for (int i = 0; i < type.value_count(); ++i) {
      made.values.emplace_back(type.value(i)->number(), type.value(i)->name());
    }
    schema_.enums.push_back(std::move(made));
    return it->second;
  }
  void fill(const pb::Descriptor& from, size_t index) {
    Message made;
    made.name = from.full_name();
    made.is_entry = from.options().map_entry();
    made.is_timestamp = from.full_name() == "google.protobuf.Timestamp";
    made.oneofs = static_cast<uint32_t>(from.oneof_decl_count());
    for (int i = 0; i < from.field_count(); ++i) {
      const pb::FieldDescriptor& field = *from.field(i);
      Field one;
      one.name = field.name();
      one.number = static_cast<uint32_t>(field.number());
      one.kind = kind_of(field);
      one.is_repeated = field.is_repeated();
      one.is_packed = field.is_packed();
      one.has_presence = !made.is_entry && field.has_presence();
      one.is_required = field.is_required();
      one.is_utf8 = field.type() == pb::FieldDescriptor::TYPE_STRING &&
                    field.file()->syntax() == pb::FileDescriptor::SYNTAX_PROTO3;
      if (field.containing_oneof() != nullptr) { one.oneof = field.containing_oneof()->index(); }
      if (field.message_type() != nullptr) { one.type = message(*field.message_type()); }
      if (field.enum_type() != nullptr) { one.type = enumeration(*field.enum_type()); }
      if (!field.is_repeated()) { set_default(field, one); }
      made.fields.push_back(std::move(one));
    }
    std::sort(made.fields.begin(), made.fields.end(),
              [](const Field& a, const Field& b) { return a.number < b.number; });
    schema_.messages[index] = std::move(made);
  }

  Schema schema_;
  std::map<const pb::Descriptor*, uint32_t> messages_;
  std::map<const pb::EnumDescriptor*, uint32_t> enums_;
  std::vector<const pb::Descriptor*> waiting_;  // by their index
};

// The first thing that is wrong.
class Complaints final : public pb::DescriptorPool::ErrorCollector,
                         public pb::compiler::MultiFileErrorCollector {
 public:
  void AddError(const std::string& file, const std::string& element, const pb::Message*,
                ErrorLocation, const std::string& text) override {
    note(fmt::format("{}: {}: {}", file, element, text));
  }
  void AddError(const std::string& file, int line, int column, const std::string& text) override {
    // Places count from 0; -1: the file as a whole.
    note(line < 0 ? fmt::format("{}: {}", file, text)
                  : fmt::format("{}:{}:{}: {}", file, line + 1, column + 1, text));
  }
  void AddWarning(const std::string&, const std::string&, const pb::Message*, ErrorLocation,
                  const std::string&) override {}
  void AddWarning(const std::string&, int, int, const std::string&) override {}
  const std::string& first() const { return first_; }

 private:
  void note(std::string text) {
    if (first_.empty()) { first_ = std::move(text); }
  }
  std::string first_;
};

class OpenedTexts final : public pb::compiler::SourceTree {
 public:
  explicit OpenedTexts(const OpenProto& open) : open_(open) {}
  pb::io::ZeroCopyInputStream* Open(const std::string& name) override {
    auto text = open_(name);
    if (!text.ok()) {
      error_ = text.status().message();
      return nullptr;
    }
    const std::string& kept = *texts_.emplace_back(std::make_unique<std::string>(std::move(*text)));
    return new pb::io::ArrayInputStream(kept.data(), static_cast<int>(kept.size()));
  }
  std::string GetLastErrorMessage() override { return error_; }

 private:
  const OpenProto& open_;
  std::vector<std::unique_ptr<std::string>> texts_;
  std::string error_;
};

Result<const pb::Descriptor*> choose(const pb::FileDescriptor& file, const MessageChoice& choice) {
  if (choice.indexes.empty()) {
    if (file.message_type_count() == 0) { return refuse("{} has no message", file.name()); }
    return file.message_type(0);
  }
  const pb::Descriptor* found = nullptr;
  for (const int32_t index : choice.indexes) {
    const int count = found == nullptr ? file.message_type_count() : found->nested_type_count();
    if (index < 0 || index >= count) {
      // It is a record that says so: the schema is right.
      return invalid_argument(ErrorId::kRecordMalformed, "{} has no message number {}",
                              found == nullptr ? file.name() : found->name(), index);
    }
    found = found == nullptr ? file.message_type(index) : found->nested_type(index);
  }
  return found;
}

void add_names(const pb::Descriptor& type, std::string& names) {
  if (type.options().map_entry()) { return; }
  names += (names.empty() ? "" : ", ") + type.full_name();
  for (int i = 0; i < type.nested_type_count(); ++i) { add_names(*type.nested_type(i), names); }
}
Status no_message(const std::string& name, const std::vector<const pb::FileDescriptor*>& files) {
  std::string names;
  for (const pb::FileDescriptor* file : files) {
    for (int i = 0; i < file->message_type_count(); ++i) {
      add_names(*file->message_type(i), names);
    }
  }
  return refuse("there is no message '{}', only: {}", name, names);
}

}  // namespace

Result<Schema> schema_of_descriptors(std::string_view descriptor_set, const std::string& message) {
  const pb::LogSilencer quiet;  // what is wrong is in the answer
  pb::FileDescriptorSet set;
  if (!set.ParseFromArray(descriptor_set.data(), static_cast<int>(descriptor_set.size())) ||
      set.file_size() == 0) {
    return refuse("this is no set of descriptors, as protoc --descriptor_set_out writes it");
  }
  pb::SimpleDescriptorDatabase files;
  for (const pb::FileDescriptorProto& file : set.file()) {
    if (!files.Add(file)) { return refuse("{} is there twice", file.name()); }
  }
  pb::DescriptorPoolDatabase googles(*pb::DescriptorPool::generated_pool());
  pb::MergedDescriptorDatabase all(&files, &googles);
  Complaints complaints;
  pb::DescriptorPool pool(&all, &complaints);
  const pb::Descriptor* const found = pool.FindMessageTypeByName(message);
  if (found != nullptr) { return SchemaMaker().make(*found); }
  if (!complaints.first().empty()) {
    return refuse("{} (protoc --include_imports adds what is imported)", complaints.first());
  }
  std::vector<const pb::FileDescriptor*> known;
  for (const pb::FileDescriptorProto& file : set.file()) {
    const pb::FileDescriptor* const one = pool.FindFileByName(file.name());
    if (one != nullptr) { known.push_back(one); }
  }
  return no_message(message, known);
}

Result<Schema> schema_of_proto(const std::string& file, const OpenProto& open,
                               const MessageChoice& choice) {
  const pb::LogSilencer quiet;
  OpenedTexts texts(open);
  Complaints complaints;
  pb::compiler::SourceTreeDescriptorDatabase parsed(&texts);
  parsed.RecordErrorsTo(&complaints);
  pb::DescriptorPoolDatabase googles(*pb::DescriptorPool::generated_pool());
  // Google's come first, so that they need not be opened, and are the same for all.
  pb::MergedDescriptorDatabase all(&googles, &parsed);
  pb::DescriptorPool pool(&all, parsed.GetValidationErrorCollector());
  const pb::FileDescriptor* const found = pool.FindFileByName(file);
  if (found == nullptr) {
    return refuse("{}", complaints.first().empty() ? file + " can't be read" : complaints.first());
  }
  if (choice.name.empty()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const pb::Descriptor* const type, choose(*found, choice));
    return SchemaMaker().make(*type);
  }
  const pb::Descriptor* const type = pool.FindMessageTypeByName(choice.name);
  if (type == nullptr) { return no_message(choice.name, {found}); }
  return SchemaMaker().make(*type);
}

}  // namespace tidewheel::protobuf
