// TLS around another Network: who uses connections notices nothing but that they take a little
// longer to be made. Handshakes and encryption are done by whoever reads and writes, so after
// on_ready a user has to call `read` (or `write`) even when it expects nothing: that is what sends
// what TLS itself has to say.
#pragma once
#include <memory>
#include <string>

#include "tidewheel/base/network.h"
#include "tidewheel/base/status.h"

namespace tidewheel {

class Config;      // base/config.h
class FileSystem;  // base/file_system.h

struct TlsOptions {
  // This side's certificate with its key, and those of the authorities that it believes: PEM or
  // PKCS#12. Both may be one file.
  std::string keystore;  // empty: none, which clients may do without
  std::string keystore_password;
  std::string key_password;  // empty: the keystore's
  std::string key_file;      // PEM; empty: the key is in the keystore
  std::string truststore;
  std::string truststore_password;
  // Servers ask their clients for a certificate, and refuse those who have none.
  bool authenticates_clients = false;
  // Clients want the server's certificate to be for the host that they have connected to.
  bool verifies_host = false;
  // SHA-256 or SHA-1 of the one certificate that peers may have, in hexadecimal digits with or
  // without colons; empty: any that an authority has signed.
  std::string fingerprint;
  std::string protocol_min = "TLSv1.2";  // or TLSv1.3
  std::string
      algorithms;  // of TLS 1.2: OpenSSL's names or IANA's, separated by commas; empty: good ones
};

// `inner` outlives the network. Errors: kTls with the file and what is wrong with it.
Result<std::unique_ptr<Network>> make_tls_network(Network& inner, FileSystem& files,
                                                  const TlsOptions& options);

// What security.ssl.* says: for the processes of a cluster among themselves, for its REST server,
// for who calls that, and for ZooKeeper's clients. Null when it is off. Errors: kTls when it is on
// and something is missing.
Result<std::unique_ptr<Network>> make_internal_tls(Network& inner, FileSystem& files,
                                                   const Config& config);
Result<std::unique_ptr<Network>> make_rest_server_tls(Network& inner, FileSystem& files,
                                                      const Config& config);
Result<std::unique_ptr<Network>> make_rest_client_tls(Network& inner, FileSystem& files,
                                                      const Config& config);
Result<std::unique_ptr<Network>> make_zookeeper_tls(Network& inner, FileSystem& files,
                                                    const Config& config);

}  // namespace tidewheel
