// MD5 and the SHA family, in hexadecimal, by OpenSSL.
#include <openssl/evp.h>

#include <array>
#include <memory>
#include <string>

#include "tidewheel/sql/function_table.h"
#include "tidewheel/sql/text_encodings.h"

namespace tidewheel::sql {
namespace {

struct ContextDeleter {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

class Digester {
 public:
  Digester() : context_(EVP_MD_CTX_new()) {}
  // The digest in hexadecimal; empty when it can't be made.
  std::string digest(const EVP_MD* algorithm, std::string_view bytes) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> out;
    unsigned int size = 0;
    const bool done = context_ != nullptr &&
                      EVP_DigestInit_ex(context_.get(), algorithm, nullptr) == 1 &&
                      EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1 &&
                      EVP_DigestFinal_ex(context_.get(), out.data(), &size) == 1;
    if (!done) { return {}; }
    return to_hex({reinterpret_cast<const char*>(out.data()), size}, false);
  }

 private:
  std::unique_ptr<EVP_MD_CTX, ContextDeleter> context_;
};

void put_digest(Out<Text>& out, Digester& digester, const EVP_MD* algorithm, Text bytes) {
  const std::string digest = digester.digest(algorithm, bytes.view());
  if (digest.empty()) { return out.fail("this system's OpenSSL lacks the digest"); }
  out.set_copy(digest);
}

void define_digest(FunctionTable& table, const char* name, const EVP_MD* (*algorithm)()) {
  table.define(
      name, kCareful, {"string -> string", "bytes -> string"},
      {[algorithm](const KernelSetup&) -> Result<std::unique_ptr<Kernel>> {
        return row_kernel([algorithm, digester = Digester()](Out<Text>& out, Text bytes) mutable {
          put_digest(out, digester, algorithm(), bytes);
        });
      }});
}

const EVP_MD* sha2(int32_t bits) {
  switch (bits) {
    case 224: return EVP_sha224();
    case 256: return EVP_sha256();
    case 384: return EVP_sha384();
    case 512: return EVP_sha512();
    default: return nullptr;
  }
}

}  // namespace

void add_digests(FunctionTable& table) {
  define_digest(table, "MD5", EVP_md5);
  define_digest(table, "SHA1", EVP_sha1);
  define_digest(table, "SHA224", EVP_sha224);
  define_digest(table, "SHA256", EVP_sha256);
  define_digest(table, "SHA384", EVP_sha384);
  define_digest(table, "SHA512", EVP_sha512);
  table.define(
      "SHA2", kCareful, {"string, int -> string", "bytes, int -> string"},
      {[](const KernelSetup&) -> Result<std::unique_ptr<Kernel>> {
        return row_kernel(
            [digester = Digester()](Out<Text>& out, Text bytes, int32_t bits) mutable {
              const EVP_MD* const algorithm = sha2(bits);
              if (algorithm == nullptr) {
                return out.fail("SHA2 has 224, 256, 384 or 512 bits, not " + std::to_string(bits));
              }
              put_digest(out, digester, algorithm, bytes);
            });
      }});
}

}  // namespace tidewheel::sql
