#include "tidewheel/base/tls_network.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cctype>
#include <utility>
#include <vector>

#include "tidewheel/base/config.h"
#include "tidewheel/base/file_system.h"
#include "tidewheel/base/security_options.h"

namespace tidewheel {
namespace {

// Encrypted bytes that wait for the socket; beyond it writes are refused.
constexpr size_t kPendingMax = size_t{256} << 10;
constexpr size_t kReadBytes = size_t{64} << 10;

template <auto Free>
struct Freer {
  template <class T>
  void operator()(T* what) const {
    Free(what);
  }
};
using ContextPtr = std::unique_ptr<SSL_CTX, Freer<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, Freer<SSL_free>>;
using BioPtr = std::unique_ptr<BIO, Freer<BIO_free_all>>;
using CertificatePtr = std::unique_ptr<X509, Freer<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using Pkcs12Ptr = std::unique_ptr<PKCS12, Freer<PKCS12_free>>;

// What OpenSSL says of its newest failure; empties its queue.
std::string openssl_text() {
  std::string text;
  while (const unsigned long error = ERR_get_error()) {
    const char* const reason = ERR_reason_error_string(error);
    text = reason != nullptr ? reason : "an unknown error";
  }
  return text.empty() ? "no reason is known" : text;
}

Status tls_error(std::string_view file, std::string_view why) {
  return invalid_argument(ErrorId::kTls, "{}: {}", file, why);
}

// ---- Stores

struct Store {
  std::vector<CertificatePtr> certificates;  // the key's own first
  KeyPtr key;
};

int give_password(char* buffer, int size, int /*writing*/, void* password) {
  const auto& text = *static_cast<const std::string*>(password);
  const int count = std::min(size, static_cast<int>(text.size()));
  std::copy_n(text.data(), count, buffer);
  return count;
}

Result<Store> read_pem(const std::string& file, std::string_view bytes, std::string password) {
  Store store;
  const auto open = [&] {
    return BioPtr(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
  };
  const BioPtr certificates = open();
  while (X509* certificate =
             PEM_read_bio_X509(certificates.get(), nullptr, give_password, &password)) {
    store.certificates.emplace_back(certificate);
  }
  ERR_clear_error();
  if (bytes.find("PRIVATE KEY-----") != std::string_view::npos) {
    const BioPtr keys = open();
    store.key.reset(PEM_read_bio_PrivateKey(keys.get(), nullptr, give_password, &password));
    if (store.key == nullptr) {
      return tls_error(file,
                       "its key can't be read: " + openssl_text() + "; is the password right?");
    }
  }
  return store;
}

Result<Store> read_pkcs12(const std::string& file, std::string_view bytes,
                          const std::string& password) {
  const BioPtr in(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
  const Pkcs12Ptr pkcs12(d2i_PKCS12_bio(in.get(), nullptr));
  if (pkcs12 == nullptr) {
    ERR_clear_error();
    return tls_error(file, "is neither PEM nor PKCS#12");
  }
  EVP_PKEY* key = nullptr;
  X509* certificate = nullptr;
  STACK_OF(X509)* others = nullptr;
  if (PKCS12_parse(pkcs12.get(), password.c_str(), &key, &certificate, &others) != 1) {
    return tls_error(file, "can't be opened: " + openssl_text() + "; is the password right?");
  }
  Store store;
  store.key.reset(key);
  if (certificate != nullptr) { store.certificates.emplace_back(certificate); }
  while (X509* other = others == nullptr ? nullptr : sk_X509_shift(others)) {
    store.certificates.emplace_back(other);
  }
  sk_X509_free(others);
  return store;
}

Result<Store> read_store(FileSystem& files, const std::string& file, const std::string& password) {
  TIDEWHEEL_ASSIGN_OR_RETURN(
      const std::string bytes,
      tidewheel::read_all(files, file).with_context("reading a store of certificates"));
  if (bytes.substr(0, 4) == "\xfe\xed\xfe\xed") {
    return tls_error(file,
                     "is a Java key store; make it PKCS#12: keytool -importkeystore -srckeystore "
                     "FILE -destkeystore FILE.p12 -deststoretype pkcs12");
  }
  if (bytes.find("-----BEGIN ") != std::string::npos) { return read_pem(file, bytes, password); }
  return read_pkcs12(file, bytes, password);
}

// ---- Contexts

std::string hex_of(std::string_view fingerprint) {
  std::string hex;
  for (const char letter : fingerprint) {
    if (letter == ':' || letter == ' ') { continue; }
    hex += static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
  }
  return hex;
}

std::string digest_of(X509* certificate, const EVP_MD* how) {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  X509_digest(certificate, how, bytes, &size);
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) { hex += fmt::format("{:02X}", bytes[i]); }
  return hex;
}

Status use_keystore(SSL_CTX* context, FileSystem& files, const TlsOptions& options) {
  if (options.keystore.empty()) { return ok_status(); }
  const std::string& password =
      options.key_password.empty() ? options.keystore_password : options.key_password;
  TIDEWHEEL_ASSIGN_OR_RETURN(Store store, read_store(files, options.keystore, password));
  if (!options.key_file.empty()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Store with_key, read_store(files, options.key_file, password));
    if (with_key.key == nullptr) { return tls_error(options.key_file, "has no key"); }
    store.key = std::move(with_key.key);
  }
  if (store.key == nullptr || store.certificates.empty()) {
    return tls_error(options.keystore, "has no key, or no certificate for it");
  }
  if (SSL_CTX_use_certificate(context, store.certificates.front().get()) != 1 ||
      SSL_CTX_use_PrivateKey(context, store.key.get()) != 1 ||
      SSL_CTX_check_private_key(context) != 1) {
    return tls_error(options.keystore, "key and certificate do not fit: " + openssl_text());
  }
  for (size_t i = 1; i < store.certificates.size(); ++i) {
    SSL_CTX_add1_chain_cert(context, store.certificates[i].get());
  }
  return ok_status();
}

Status use_truststore(SSL_CTX* context, FileSystem& files, const TlsOptions& options) {
  if (options.truststore.empty()) {
    // The machine's own authorities, for a REST server with a public certificate.
    SSL_CTX_set_default_verify_paths(context);
    return ok_status();
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(const Store store,
                             read_store(files, options.truststore, options.truststore_password));
  if (store.certificates.empty()) { return tls_error(options.truststore, "has no certificate"); }
  X509_STORE* const trusted = SSL_CTX_get_cert_store(context);
  for (const CertificatePtr& certificate : store.certificates) {
    X509_STORE_add_cert(trusted, certificate.get());
  }
  // A certificate that is in the store is believed, whoever has signed it.
  X509_STORE_set_flags(trusted, X509_V_FLAG_PARTIAL_CHAIN);
  ERR_clear_error();
  return ok_status();
}

Status use_ciphers(SSL_CTX* context, const TlsOptions& options) {
  if (options.protocol_min != "TLSv1.2" && options.protocol_min != "TLSv1.3") {
    return invalid_argument(ErrorId::kTls,
                            "security.ssl.protocol is '{}'; TLSv1.2 and TLSv1.3 are accepted",
                            options.protocol_min);
  }
  SSL_CTX_set_min_proto_version(
      context, options.protocol_min == "TLSv1.3" ? TLS1_3_VERSION : TLS1_2_VERSION);
  if (options.algorithms.empty()) { return ok_status(); }
  std::string names = options.algorithms;
  std::erase(names, ' ');
  std::replace(names.begin(), names.end(), ',', ':');
  if (SSL_CTX_set_cipher_list(context, names.c_str()) != 1) {
    ERR_clear_error();
    return invalid_argument(ErrorId::kTls,
                            "security.ssl.algorithms: none of '{}' is a cipher suite; write names "
                            "such as ECDHE-RSA-AES256-GCM-SHA384",
                            options.algorithms);
  }
  return ok_status();
}

// ---- Connections

class TlsConnection final : public Connection {
 public:
  TlsConnection(std::unique_ptr<Connection> inner, SslPtr ssl, std::string fingerprint)
      : inner_(std::move(inner)), ssl_(std::move(ssl)), fingerprint_(std::move(fingerprint)) {
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl_.get(), in_, out_);
    buffer_ = std::make_unique_for_overwrite<char[]>(kReadBytes);
  }
  ~TlsConnection() override {
    if (is_ready_ && failure_.ok()) {
      SSL_shutdown(ssl_.get());
      ignore(send_pending(), "the connection ends anyway");
    }
    ERR_clear_error();
  }

  Result<Transfer> read(std::span<char> into) override {
    TIDEWHEEL_RETURN_IF_ERROR(advance());
    while (is_ready_) {
      size_t got = 0;
      if (SSL_read_ex(ssl_.get(), into.data(), into.size(), &got) == 1) {
        return Transfer{Transfer::State::kMoved, static_cast<int64_t>(got)};
      }
      const int error = SSL_get_error(ssl_.get(), 0);
      if (error == SSL_ERROR_ZERO_RETURN) { return Transfer{Transfer::State::kEnd, 0}; }
      if (error != SSL_ERROR_WANT_READ) { return fail("reading from"); }
      TIDEWHEEL_RETURN_IF_ERROR(send_pending());  // answers of TLS itself
      TIDEWHEEL_ASSIGN_OR_RETURN(const bool more, receive());
      if (!more) { break; }
    }
    return Transfer{};
  }

  Result<Transfer> write(std::string_view bytes) override {
    TIDEWHEEL_RETURN_IF_ERROR(advance());
    if (!is_ready_ || bytes.empty() || pending_bytes() >= kPendingMax) { return Transfer{}; }
    size_t put = 0;
    const size_t size = std::min(bytes.size(), kPendingMax);
    if (SSL_write_ex(ssl_.get(), bytes.data(), size, &put) != 1) {
      if (SSL_get_error(ssl_.get(), 0) != SSL_ERROR_WANT_READ) { return fail("writing to"); }
      return Transfer{};
    }
    TIDEWHEEL_RETURN_IF_ERROR(send_pending());
    return Transfer{Transfer::State::kMoved, static_cast<int64_t>(put)};
  }

  Status shutdown_write() override {
    TIDEWHEEL_RETURN_IF_ERROR(advance());
    if (is_ready_) { SSL_shutdown(ssl_.get()); }
    ERR_clear_error();
    return send_pending();
  }
  bool is_connected() const override { return is_ready_ && failure_.ok(); }
  std::string peer() const override { return inner_->peer(); }

 private:
  size_t pending_bytes() const { return BIO_ctrl_pending(out_) + (pending_.size() - sent_); }

  // Gets on with the handshake, and with what waits for the socket.
  Status advance() {
    if (!failure_.ok()) { return failure_; }
    TIDEWHEEL_RETURN_IF_ERROR(send_pending());
    while (!is_ready_) {
      const int done = SSL_do_handshake(ssl_.get());
      if (done == 1) {
        TIDEWHEEL_RETURN_IF_ERROR(check_fingerprint());
        is_ready_ = true;
        return send_pending();
      }
      if (SSL_get_error(ssl_.get(), done) != SSL_ERROR_WANT_READ) {
        // The peer is told why (an alert).
        Status status = fail("TLS handshake with").status();
        ignore(send_pending(), "the handshake has failed anyway");
        return status;
      }
      TIDEWHEEL_RETURN_IF_ERROR(send_pending());
      TIDEWHEEL_ASSIGN_OR_RETURN(const bool more, receive());
      if (!more) { return ok_status(); }
    }
    return ok_status();
  }

  Status check_fingerprint() {
    if (fingerprint_.empty()) { return ok_status(); }
    const CertificatePtr certificate(SSL_get1_peer_certificate(ssl_.get()));
    const bool fits =
        certificate != nullptr && (digest_of(certificate.get(), EVP_sha256()) == fingerprint_ ||
                                   digest_of(certificate.get(), EVP_sha1()) == fingerprint_);
    if (fits) { return ok_status(); }
    failure_ =
        unavailable(ErrorId::kTls,
                    "{} has another certificate than the one whose fingerprint was given", peer());
    return failure_;
  }

  // Takes from the socket. False: nothing is there now.
  Result<bool> receive() {
    auto got = inner_->read({buffer_.get(), kReadBytes});
    if (!got.ok()) {
      failure_ = got.status();
      return std::move(got).status();
    }
    if (got->state == Transfer::State::kWouldBlock) { return false; }
    if (got->state == Transfer::State::kEnd) {
      failure_ = is_ready_
                     ? unavailable(ErrorId::kNetworkLost,
                                   "{} has ended the connection without TLS's farewell", peer())
                     : unavailable(ErrorId::kTls, "{} has ended the TLS handshake", peer());
      return failure_;
    }
    BIO_write(in_, buffer_.get(), static_cast<int>(got->bytes));
    return true;
  }

  // Gives the socket what it takes.
  Status send_pending() {
    while (true) {
      if (sent_ == pending_.size()) {
        sent_ = 0;
        pending_.resize(std::min(BIO_ctrl_pending(out_), kReadBytes));
        if (pending_.empty()) { return ok_status(); }
        BIO_read(out_, pending_.data(), static_cast<int>(pending_.size()));
      }
      auto put = inner_->write(std::string_view(pending_).substr(sent_));
      if (!put.ok()) {
        // An alert of the peer, which says more, may have come before.
        if (failure_.ok() && is_ready_) { failure_ = put.status(); }
        return std::move(put).status();
      }
      if (put->state != Transfer::State::kMoved) { return ok_status(); }
      sent_ += static_cast<size_t>(put->bytes);
    }
  }

  Result<Transfer> fail(std::string_view doing) {
    const long verified = SSL_get_verify_result(ssl_.get());
    std::string why = openssl_text();
    if (verified != X509_V_OK) {
      why += fmt::format(": {}", X509_verify_cert_error_string(verified));
    }
    failure_ = unavailable(ErrorId::kTls, "{} {}: {}", doing, peer(), why);
    return failure_;
  }

  const std::unique_ptr<Connection> inner_;
  const SslPtr ssl_;
  const std::string fingerprint_;
  BIO* in_;   // the SSL's
  BIO* out_;  // the SSL's
  std::unique_ptr<char[]> buffer_;
  std::string pending_;  // encrypted, on its way to the socket
  size_t sent_ = 0;
  bool is_ready_ = false;
  Status failure_;
};

class TlsListener final : public Listener {
 public:
  TlsListener(std::unique_ptr<Listener> inner, SSL_CTX* context, std::string fingerprint)
      : inner_(std::move(inner)), context_(context), fingerprint_(std::move(fingerprint)) {}
  Result<std::unique_ptr<Connection>> accept(ReadyCallback on_ready) override {
    TIDEWHEEL_ASSIGN_OR_RETURN(std::unique_ptr<Connection> connection,
                               inner_->accept(std::move(on_ready)));
    if (connection == nullptr) { return connection; }
    SslPtr ssl(SSL_new(context_));
    SSL_set_accept_state(ssl.get());
    return std::unique_ptr<Connection>(
        std::make_unique<TlsConnection>(std::move(connection), std::move(ssl), fingerprint_));
  }
  uint16_t port() const override { return inner_->port(); }

 private:
  const std::unique_ptr<Listener> inner_;
  SSL_CTX* const context_;
  const std::string fingerprint_;
};

class TlsNetwork final : public Network {
 public:
  TlsNetwork(Network& inner, ContextPtr client, ContextPtr server, const TlsOptions& options)
      : inner_(inner),
        client_(std::move(client)),
        server_(std::move(server)),
        verifies_host_(options.verifies_host),
        has_certificate_(!options.keystore.empty()),
        fingerprint_(hex_of(options.fingerprint)) {}

  std::unique_ptr<Connection> connect(const NetworkAddress& address, int64_t timeout_ns,
                                      ReadyCallback on_ready) override {
    SslPtr ssl(SSL_new(client_.get()));
    SSL_set_connect_state(ssl.get());
    X509_VERIFY_PARAM* const verify = SSL_get0_param(ssl.get());
    const std::string& host = address.host;
    const bool is_number = host.find(':') != std::string::npos ||
                           host.find_first_not_of("0123456789.") == std::string::npos;
    if (!is_number) { SSL_set_tlsext_host_name(ssl.get(), host.c_str()); }
    if (verifies_host_ && is_number) {
      X509_VERIFY_PARAM_set1_ip_asc(verify, host.c_str());
    } else if (verifies_host_) {
      X509_VERIFY_PARAM_set1_host(verify, host.data(), host.size());
    }
    return std::make_unique<TlsConnection>(inner_.connect(address, timeout_ns, std::move(on_ready)),
                                           std::move(ssl), fingerprint_);
  }
  Result<std::unique_ptr<Listener>> listen(const NetworkAddress& address,
                                           ReadyCallback on_ready) override {
    if (!has_certificate_) {
      return invalid_argument(ErrorId::kTls, "a server at {} needs a keystore",
                              address.to_string());
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(std::unique_ptr<Listener> inner,
                               inner_.listen(address, std::move(on_ready)));
    return std::unique_ptr<Listener>(std::make_unique<TlsListener>(
        std::move(inner), server_.get(), server_asks_ ? fingerprint_ : ""));
  }
  void set_server_asks(bool asks) { server_asks_ = asks; }

 private:
  Network& inner_;
  const ContextPtr client_;
  const ContextPtr server_;
  const bool verifies_host_;
  const bool has_certificate_;
  const std::string fingerprint_;
  bool server_asks_ = false;
};

Result<ContextPtr> make_context(FileSystem& files, const TlsOptions& options, bool serves) {
  ContextPtr context(SSL_CTX_new(serves ? TLS_server_method() : TLS_client_method()));
  TIDEWHEEL_RETURN_IF_ERROR(use_ciphers(context.get(), options));
  TIDEWHEEL_RETURN_IF_ERROR(use_keystore(context.get(), files, options));
  TIDEWHEEL_RETURN_IF_ERROR(use_truststore(context.get(), files, options));
  const int asks = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  SSL_CTX_set_verify(context.get(),
                     !serves || options.authenticates_clients ? asks : SSL_VERIFY_NONE, nullptr);
  // A session that is resumed would not show its certificate again.
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                      SSL_MODE_RELEASE_BUFFERS);
  return context;
}

TlsOptions common_options(const Config& config) {
  TlsOptions options;
  options.protocol_min = config.get(options::kTlsProtocol);
  options.algorithms = config.get(options::kTlsAlgorithms);
  return options;
}

Status require(const Config& config, const TextOption& option, const BoolOption& because) {
  if (!config.get(option).empty()) { return ok_status(); }
  return invalid_argument(ErrorId::kTls, "{} is needed when {} is set", option.key, because.key);
}

TlsOptions rest_options(const Config& config) {
  TlsOptions options = common_options(config);
  options.keystore = config.get(options::kRestKeystore);
  options.keystore_password = config.get(options::kRestKeystorePassword);
  options.key_password = config.get(options::kRestKeyPassword);
  options.truststore = config.get(options::kRestTruststore);
  options.truststore_password = config.get(options::kRestTruststorePassword);
  options.fingerprint = config.get(options::kRestFingerprint);
  options.authenticates_clients = config.get(options::kRestTlsAuthentication);
  return options;
}

}  // namespace

Result<std::unique_ptr<Network>> make_tls_network(Network& inner, FileSystem& files,
                                                  const TlsOptions& options) {
  TIDEWHEEL_ASSIGN_OR_RETURN(ContextPtr client, make_context(files, options, false));
  TIDEWHEEL_ASSIGN_OR_RETURN(ContextPtr server, make_context(files, options, true));
  auto network = std::make_unique<TlsNetwork>(inner, std::move(client), std::move(server), options);
  network->set_server_asks(options.authenticates_clients);
  return std::unique_ptr<Network>(std::move(network));
}

Result<std::unique_ptr<Network>> make_internal_tls(Network& inner, FileSystem& files,
                                                   const Config& config) {
  if (!config.get(options::kInternalTls)) { return std::unique_ptr<Network>(); }
  TIDEWHEEL_RETURN_IF_ERROR(require(config, options::kInternalKeystore, options::kInternalTls));
  TIDEWHEEL_RETURN_IF_ERROR(require(config, options::kInternalTruststore, options::kInternalTls));
  TlsOptions options = common_options(config);
  options.keystore = config.get(options::kInternalKeystore);
  options.keystore_password = config.get(options::kInternalKeystorePassword);
  options.key_password = config.get(options::kInternalKeyPassword);
  options.truststore = config.get(options::kInternalTruststore);
  options.truststore_password = config.get(options::kInternalTruststorePassword);
  options.fingerprint = config.get(options::kInternalFingerprint);
  options.authenticates_clients = true;
  return make_tls_network(inner, files, options);
}

Result<std::unique_ptr<Network>> make_rest_server_tls(Network& inner, FileSystem& files,
                                                      const Config& config) {
  if (!config.get(options::kRestTls)) { return std::unique_ptr<Network>(); }
  TIDEWHEEL_RETURN_IF_ERROR(require(config, options::kRestKeystore, options::kRestTls));
  if (config.get(options::kRestTlsAuthentication)) {
    TIDEWHEEL_RETURN_IF_ERROR(
        require(config, options::kRestTruststore, options::kRestTlsAuthentication));
  }
  return make_tls_network(inner, files, rest_options(config));
}

Result<std::unique_ptr<Network>> make_rest_client_tls(Network& inner, FileSystem& files,
                                                      const Config& config) {
  if (!config.get(options::kRestTls)) { return std::unique_ptr<Network>(); }
  TlsOptions options = rest_options(config);
  options.verifies_host = config.get(options::kTlsVerifyHost);
  // The server's key is no business of a client that needs none.
  if (!options.authenticates_clients) { options.keystore.clear(); }
  return make_tls_network(inner, files, options);
}

Result<std::unique_ptr<Network>> make_zookeeper_tls(Network& inner, FileSystem& files,
                                                    const Config& config) {
  if (!config.get(options::kZooKeeperTls)) { return std::unique_ptr<Network>(); }
  TlsOptions options = common_options(config);
  options.keystore = config.get(options::kZooKeeperKeystore);
  options.keystore_password = config.get(options::kZooKeeperKeystorePassword);
  options.key_password = config.get(options::kZooKeeperKeyPassword);
  options.truststore = config.get(options::kZooKeeperTruststore);
  options.truststore_password = config.get(options::kZooKeeperTruststorePassword);
  options.fingerprint = config.get(options::kZooKeeperFingerprint);
  options.verifies_host = config.get(options::kTlsVerifyHost);
  return make_tls_network(inner, files, options);
}

}  // namespace tidewheel
