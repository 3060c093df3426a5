// Beside libprotobuf's own dynamic messages: what it reads is what columns have, and what it
// refuses is refused; for messages that it has written, and for those with some bytes changed.
#include <google/protobuf/compiler/importer.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tidewheel/base/check.h"
#include "tidewheel/base/random.h"
#include "tidewheel/formats/protobuf/column_decoder.h"
#include "tidewheel/formats/protobuf/column_encoder.h"
#include "tidewheel/formats/protobuf/protobuf_testing.h"
#include "tidewheel/testing/column_rows.h"

namespace tidewheel {
namespace {

namespace pb = google::protobuf;
using namespace protobuf;

class OneText final : public pb::compiler::SourceTree {
 public:
  explicit OneText(std::string text) : text_(std::move(text)) {}
  pb::io::ZeroCopyInputStream* Open(const std::string& name) override {
    if (name != "test.proto") { return nullptr; }
    return new pb::io::ArrayInputStream(text_.data(), static_cast<int>(text_.size()));
  }

 private:
  std::string text_;
};

// Random messages of libprotobuf, and how this format has them.
class Twin {
 public:
  Twin(const char* text, uint64_t seed)
      : random_(seed),
        tree_(text),
        parsed_(&tree_),
        googles_(*pb::DescriptorPool::generated_pool()),
        all_(&googles_, &parsed_),
        pool_(&all_),
        schema_(schema_of_text(text, "shop.Every")),
        columns_(columns_of(schema_)) {
    // Files of a source tree are found by their names only.
    const pb::FileDescriptor* const file = pool_.FindFileByName("test.proto");
    TIDEWHEEL_CHECK(file != nullptr, "libprotobuf does not take the text");
    type_ = file->FindMessageTypeByName("Every");
    auto decoder = ColumnDecoder::compile(schema_, DecodedRow::all(columns_), {});
    auto encoder = ColumnEncoder::make(schema_, columns_, test::all_of(columns_), {});
    EXPECT_TRUE(decoder.ok() && encoder.ok());
    decoder_ = std::make_unique<ColumnDecoder>(std::move(*decoder));
    encoder_ = std::make_unique<ColumnEncoder>(std::move(*encoder));
  }

  std::string random_message() {
    const std::unique_ptr<pb::Message> message(factory_.GetPrototype(type_)->New());
    fill(*message, 0);
    return message->SerializePartialAsString();
  }
  std::string mutated(std::string bytes, const std::string& other) {
    const auto changes = random_.below(4) + 1;
    for (uint64_t i = 0; i < changes && !bytes.empty(); ++i) {
      const size_t at = random_.below(bytes.size());
      switch (random_.below(4)) {
        case 0: bytes[at] = static_cast<char>(random_.below(256)); break;
        case 1: bytes.resize(at); break;
        case 2: bytes.insert(at, other.substr(0, random_.below(20))); break;
        default: bytes += other; break;  // which merges
      }
    }
    return bytes;
  }
  // Nothing: libprotobuf refuses it.
  std::optional<std::string> theirs(const std::string& bytes) {
    const std::unique_ptr<pb::Message> message(factory_.GetPrototype(type_)->New());
    if (!message->ParseFromString(bytes)) { return std::nullopt; }
    clean(*message);
    return sorted(*message);
  }
  // What this format writes of what it has read, as libprotobuf has it.
  std::optional<std::string> ours(const std::string& bytes) {
    test::ColumnRows rows(columns_);
    // A row before it, since offsets of lists begin where others end.
    for (uint32_t row = 0; row < 2; ++row) {
      rows.batch().ensure_room(1);
      decoder_->bind(rows.batch());
      if (!decoder_->decode(bytes, row)) {
        decoder_->drop_row(rows.batch(), row);
        return std::nullopt;
      }
      rows.batch().set_size(row + 1);
    }
    std::string written;
    const Status status = encoder_->append(rows.sealed().views(), 1, written);
    EXPECT_TRUE(status.ok()) << status.message();
    const std::unique_ptr<pb::Message> message(factory_.GetPrototype(type_)->New());
    EXPECT_TRUE(message->ParseFromString(written));
    return sorted(*message);
  }
  std::string fault() const { return decoder_->fault(); }

 private:
  // Without unknown fields, also within maps, where DiscardUnknownFields() does not look. Of a
  // map's entries of one key the last one counts: reflection still has all of them.
  static void clean(pb::Message& message) {
    const pb::Reflection& reflection = *message.GetReflection();
    reflection.MutableUnknownFields(&message)->Clear();
    std::vector<const pb::FieldDescriptor*> fields;
    reflection.ListFields(message, &fields);
    for (const pb::FieldDescriptor* const field : fields) {
      if (field->cpp_type() != pb::FieldDescriptor::CPPTYPE_MESSAGE) { continue; }
      if (!field->is_repeated()) {
        clean(*reflection.MutableMessage(&message, field));
        continue;
      }
      std::map<std::string, int> kept;
      for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
        pb::Message& one = *reflection.MutableRepeatedMessage(&message, field, i);
        clean(one);
        if (!field->is_map()) { continue; }
        std::string key;
        pb::TextFormat::PrintFieldValueToString(one, field->message_type()->map_key(), -1, &key);
        const auto [it, is_new] = kept.emplace(key, i);
        if (is_new) { continue; }
        const int last = reflection.FieldSize(message, field) - 1;
        reflection.SwapElements(&message, field, it->second, i);
        for (int j = i; j < last; ++j) { reflection.SwapElements(&message, field, j, j + 1); }
        reflection.RemoveLast(&message, field);
        --i;
      }
    }
  }
  // Deterministic bytes: maps are sorted.
  static std::string sorted(const pb::Message& message) {
    std::string bytes;
    pb::io::StringOutputStream stream(&bytes);
    pb::io::CodedOutputStream out(&stream);
    out.SetSerializationDeterministic(true);
    message.SerializePartialToCodedStream(&out);
    out.Trim();
    return bytes;
  }
  uint64_t number() {
    const uint64_t width = random_.below(65);
    return width == 0 ? 0 : random_.next() >> (64 - width);
  }
  std::string text() {
    std::string text;
    for (uint64_t i = random_.below(8); i > 0; --i) {
      text += random_.below(6) == 0 ? "\xc3\xa4" : "k";
    }
    return random_.below(20) == 0 ? std::string(200, 'x') : text;
  }
  void fill(pb::Message& message, int depth) {
    const pb::Descriptor& type = *message.GetDescriptor();
    for (int i = 0; i < type.field_count(); ++i) {
      const pb::FieldDescriptor& field = *type.field(i);
      if (random_.below(3) == 0 && !field.is_required()) { continue; }
      const uint64_t count = !field.is_repeated()    ? 1
                             : random_.below(5) == 0 ? 40
                                                     : random_.below(4);
      for (uint64_t n = 0; n < (depth > 2 ? count % 3 : count); ++n) {
        if (field.is_map()) {
          add_entry(message, field, n, depth);
        } else {
          put(message, field, depth);
        }
      }
    }
  }
  // Keys differ: libprotobuf's reflection does not look for those that are there.
  void add_entry(pb::Message& message, const pb::FieldDescriptor& field, uint64_t n, int depth) {
    const pb::FieldDescriptor& key = *field.message_type()->map_key();
    const bool is_flag = key.cpp_type() == pb::FieldDescriptor::CPPTYPE_BOOL;
    if (is_flag && n > 1) { return; }
    pb::Message& entry = *message.GetReflection()->AddMessage(&message, &field);
    fill(entry, depth + 1);
    const pb::Reflection& reflection = *entry.GetReflection();
    switch (key.cpp_type()) {
      case pb::FieldDescriptor::CPPTYPE_INT32:
        return reflection.SetInt32(&entry, &key, static_cast<int32_t>(n) - 2);
      case pb::FieldDescriptor::CPPTYPE_INT64:
        return reflection.SetInt64(&entry, &key, static_cast<int64_t>(n) - 2);
      case pb::FieldDescriptor::CPPTYPE_BOOL: return reflection.SetBool(&entry, &key, n == 1);
      case pb::FieldDescriptor::CPPTYPE_STRING:
        return reflection.SetString(&entry, &key, std::string(n, 'k'));
      default: FAIL() << "a map's key of another type";
    }
  }
  template <class Set, class Add>
  static void put_with(const pb::FieldDescriptor& field, const Set& set, const Add& add) {
    if (field.is_repeated()) {
      add();
    } else {
      set();
    }
  }
#define PUT(Type, value)                                             \
  put_with(                                                          \
      field, [&] { reflection.Set##Type(&message, &field, value); }, \
      [&] { reflection.Add##Type(&message, &field, value); });       \
  break
  void put(pb::Message& message, const pb::FieldDescriptor& field, int depth) {
    const pb::Reflection& reflection = *message.GetReflection();
    switch (field.cpp_type()) {
      case pb::FieldDescriptor::CPPTYPE_INT32: PUT(Int32, static_cast<int32_t>(number()));
      case pb::FieldDescriptor::CPPTYPE_INT64: PUT(Int64, static_cast<int64_t>(number()));
      case pb::FieldDescriptor::CPPTYPE_UINT32: PUT(UInt32, static_cast<uint32_t>(number()));
      case pb::FieldDescriptor::CPPTYPE_UINT64: PUT(UInt64, number());
      case pb::FieldDescriptor::CPPTYPE_BOOL: PUT(Bool, number() % 2 == 0);
      case pb::FieldDescriptor::CPPTYPE_FLOAT: PUT(Float, static_cast<float>(number() % 9) / 4);
      case pb::FieldDescriptor::CPPTYPE_DOUBLE: PUT(Double, static_cast<double>(number()) / 8);
      case pb::FieldDescriptor::CPPTYPE_STRING: PUT(String, text());
      case pb::FieldDescriptor::CPPTYPE_ENUM:
        PUT(Enum, field.enum_type()->value(static_cast<int>(
                      random_.below(static_cast<uint64_t>(field.enum_type()->value_count())))));
      case pb::FieldDescriptor::CPPTYPE_MESSAGE:
        fill(field.is_repeated() ? *reflection.AddMessage(&message, &field)
                                 : *reflection.MutableMessage(&message, &field),
             depth + 1);
        break;
    }
  }

  Random random_;
  OneText tree_;
  pb::compiler::SourceTreeDescriptorDatabase parsed_;
  pb::DescriptorPoolDatabase googles_;
  pb::MergedDescriptorDatabase all_;
  pb::DescriptorPool pool_;
  pb::DynamicMessageFactory factory_;
  const pb::Descriptor* type_ = nullptr;
  protobuf::Schema schema_;
  RowType columns_;
  std::unique_ptr<ColumnDecoder> decoder_;
  std::unique_ptr<ColumnEncoder> encoder_;
};

constexpr int kMessages = 300;
constexpr int kMutations = 10'000;

TEST(ProtobufTwin, messages_of_libprotobuf_are_read_and_written_as_they_are) {
  for (const char* const text : {kEveryKind3, kEveryKind2}) {
    Twin twin(text, 1);
    for (int i = 0; i < kMessages; ++i) {
      const std::string bytes = twin.random_message();
      const auto theirs = twin.theirs(bytes);
      ASSERT_TRUE(theirs.has_value());
      const auto ours = twin.ours(bytes);
      ASSERT_TRUE(ours.has_value()) << twin.fault();
      ASSERT_EQ(*theirs, *ours) << i;
    }
  }
}

TEST(ProtobufTwin, changed_bytes_are_taken_or_refused_as_libprotobuf_does) {
  // Of proto2, numbers that a closed enum does not have replace others in a oneof here.
  for (const char* const text : {kEveryKind3}) {
    Twin twin(text, 2);
    int refused = 0;
    int laxer = 0;
    int stricter = 0;
    for (int i = 0; i < kMutations; ++i) {
      const std::string bytes = twin.mutated(twin.random_message(), twin.random_message());
      const auto theirs = twin.theirs(bytes);
      const auto ours = twin.ours(bytes);
      if (theirs.has_value() && ours.has_value()) { ASSERT_EQ(*theirs, *ours) << i; }
      // Some tags that are damaged libprotobuf still takes.
      stricter += theirs.has_value() && !ours.has_value() ? 1 : 0;
      // What another value replaces (of a oneof, of a key) is not always looked at here.
      laxer += !theirs.has_value() && ours.has_value() ? 1 : 0;
      refused += theirs.has_value() ? 0 : 1;
    }
    EXPECT_LT(laxer, kMutations / 100);
    EXPECT_LT(stricter, kMutations / 1000) << twin.fault();
    EXPECT_GT(refused, kMutations / 50);
    EXPECT_LT(refused, kMutations / 10 * 9);
  }
}

}  // namespace
}  // namespace tidewheel
