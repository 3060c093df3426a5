#include "tidewheel/jobmanager/program_store.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "tidewheel/base/file_system.h"
#include "tidewheel/base/world.h"

namespace tidewheel {
namespace {

class Programs : public ::testing::Test {
 protected:
  Programs() { EXPECT_TRUE(files().make_directories(folder_ + "/uploads").ok()); }
  ~Programs() override { files().remove_all(folder_).ok(); }

  FileSystem& files() { return world_->files(); }
  UploadedProgram upload(const std::string& name, const std::string& bytes) {
    UploadedProgram out;
    out.path = folder_ + "/uploads/one";
    EXPECT_TRUE(write_all_durably(files(), out.path, bytes).ok());
    out.name = name;
    out.sha256 = *sha256_of_file(files(), out.path);
    out.bytes = static_cast<int64_t>(bytes.size());
    return out;
  }

  const std::unique_ptr<World> world_ = make_real_world();
  const std::string folder_ = "/tmp/tidewheel-programs-test-" + std::to_string(::getpid());
  ProgramStore store_{files(), folder_ + "/programs", Random(7)};
};

TEST_F(Programs, are_kept_by_their_hash_and_listed_by_their_uploads) {
  const auto one = store_.add(upload("libjob.so", "bytes"), 10);
  const auto two = store_.add(upload("libjob.so", "bytes"), 20);
  ASSERT_TRUE(one.ok() && two.ok());
  EXPECT_NE(one->id, two->id);
  EXPECT_EQ(one->sha256, "277089d91c0bdf4f2e6862ba7e4a07605119431f5d13f726dd352b06f1b206a9");
  EXPECT_EQ(*read_all(files(), store_.blob_path(one->sha256)), "bytes");
  const auto all = store_.list();
  ASSERT_TRUE(all.ok());
  ASSERT_EQ(all->size(), 2U);
  EXPECT_EQ((*all)[0].id, two->id);  // the newest first
  EXPECT_EQ(store_.find(one->id)->name, "libjob.so");
}

TEST_F(Programs, bytes_go_with_the_last_that_needs_them) {
  const auto one = store_.add(upload("a.sql", "bytes"), 10);
  const auto two = store_.add(upload("b.sql", "bytes"), 20);
  const auto is_there = [&] { return *files().exists(store_.blob_path(one->sha256)); };
  ASSERT_TRUE(store_.remove(one->id).ok());
  ASSERT_TRUE(store_.remove_blob_unless_used(one->sha256, {}).ok());
  EXPECT_TRUE(is_there());
  ASSERT_TRUE(store_.remove(two->id).ok());
  ASSERT_TRUE(store_.remove_blob_unless_used(one->sha256, {one->sha256}).ok());
  EXPECT_TRUE(is_there());
  ASSERT_TRUE(store_.remove_blob_unless_used(one->sha256, {}).ok());
  EXPECT_FALSE(is_there());
}

TEST_F(Programs, no_name_is_a_path) {
  const auto program = store_.add(upload("../../etc/pass wd\n.so", "bytes"), 10);
  ASSERT_TRUE(program.ok());
  EXPECT_EQ(program->name, "pass_wd_.so");
  for (const char* id : {"../uploads", "", "..", "a", "00000000000000000000000000000000_../x",
                         "00000000000000000000000000000000_x"}) {
    EXPECT_EQ(store_.find(id).status().id(), ErrorId::kArtifact) << id;
    EXPECT_EQ(store_.remove(id).id(), ErrorId::kArtifact) << id;
  }
}

TEST_F(Programs, what_is_no_program_is_refused_and_removed) {
  const UploadedProgram jar = upload("job.jar", "bytes");
  EXPECT_EQ(store_.add(jar, 10).status().id(), ErrorId::kArtifact);
  EXPECT_FALSE(*files().exists(jar.path));
}

TEST_F(Programs, a_copy_leaves_the_file_where_it_is) {
  const UploadedProgram file = upload("x", "bytes");
  ASSERT_TRUE(files().rename(file.path, folder_ + "/libapp.so").ok());
  const auto program = store_.add_copy(folder_ + "/libapp.so");
  ASSERT_TRUE(program.ok()) << program.status().to_string();
  EXPECT_EQ(program->sha256, file.sha256);
  EXPECT_TRUE(*files().exists(folder_ + "/libapp.so"));
  EXPECT_TRUE(store_.list()->empty());
}

}  // namespace
}  // namespace tidewheel
