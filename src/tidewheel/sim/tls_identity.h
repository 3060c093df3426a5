// Certificates that tests make for the hosts of their simulated networks.
#pragma once
#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509v3.h>

#include <string>

namespace tidewheel {

// A certificate with its key, signed by itself or by another.
struct TlsIdentity {
  EVP_PKEY* key = nullptr;
  X509* certificate = nullptr;

  explicit TlsIdentity(const std::string& name, const TlsIdentity* issuer = nullptr) {
    key = EVP_EC_gen("P-256");
    certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME* const subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    X509_set_issuer_name(certificate,
                         issuer == nullptr ? subject : X509_get_subject_name(issuer->certificate));
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509_EXTENSION* const names =
        X509V3_EXT_conf_nid(nullptr, &context, NID_subject_alt_name, ("DNS:" + name).c_str());
    X509_add_ext(certificate, names, -1);
    X509_EXTENSION_free(names);
    if (issuer == nullptr) {
      X509_EXTENSION* const signs =
          X509V3_EXT_conf_nid(nullptr, &context, NID_basic_constraints, "critical,CA:TRUE");
      X509_add_ext(certificate, signs, -1);
      X509_EXTENSION_free(signs);
    }
    X509_sign(certificate, issuer == nullptr ? key : issuer->key, EVP_sha256());
  }
  TlsIdentity(const TlsIdentity&) = delete;
  ~TlsIdentity() {
    EVP_PKEY_free(key);
    X509_free(certificate);
  }

  std::string pem(bool with_key, const char* password = nullptr) const {
    BIO* const out = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(out, certificate);
    if (with_key) {
      const std::string secret = password == nullptr ? "" : password;
      PEM_write_bio_PKCS8PrivateKey(out, key, password == nullptr ? nullptr : EVP_aes_128_cbc(),
                                    secret.data(), static_cast<int>(secret.size()), nullptr,
                                    nullptr);
    }
    return take(out);
  }
  std::string pkcs12(const char* password) const {
    PKCS12* const made = PKCS12_create(password, "name", key, certificate, nullptr, 0, 0, 0, 0, 0);
    BIO* const out = BIO_new(BIO_s_mem());
    i2d_PKCS12_bio(out, made);
    PKCS12_free(made);
    return take(out);
  }
  std::string fingerprint() const {
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    X509_digest(certificate, EVP_sha256(), bytes, &size);
    std::string hex;
    for (unsigned int i = 0; i < size; ++i) {
      hex += fmt::format("{}{:02x}", i == 0 ? "" : ":", bytes[i]);
    }
    return hex;
  }

 private:
  static std::string take(BIO* out) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(out, &data);
    std::string bytes(data, static_cast<size_t>(size));
    BIO_free(out);
    return bytes;
  }
};

}  // namespace tidewheel
