// Options of TLS. Keys are Flink's; stores are PEM or PKCS#12.
#pragma once
#include "tidewheel/base/config.h"

namespace tidewheel::options {

inline constexpr BoolOption kInternalTls{
    {"security.ssl.internal.enabled", OptionKind::kBool, "false",
     "TLS between the processes of a cluster, in which both sides prove who they are."}};
inline constexpr TextOption kInternalKeystore{
    {"security.ssl.internal.keystore", OptionKind::kText, "",
     "File with the certificate and key of this process (PEM or PKCS#12)."}};
inline constexpr TextOption kInternalKeystorePassword{
    {"security.ssl.internal.keystore-password", OptionKind::kText, "", "Its password."}};
inline constexpr TextOption kInternalKeyPassword{{"security.ssl.internal.key-password",
                                                  OptionKind::kText, "",
                                                  "Password of the key in it; empty: the same."}};
inline constexpr TextOption kInternalTruststore{
    {"security.ssl.internal.truststore", OptionKind::kText, "",
     "File with the certificates that peers' certificates have to be, or to be signed by."}};
inline constexpr TextOption kInternalTruststorePassword{
    {"security.ssl.internal.truststore-password", OptionKind::kText, "", "Its password."}};
inline constexpr TextOption kInternalFingerprint{
    {"security.ssl.internal.cert.fingerprint", OptionKind::kText, "",
     "Fingerprint (SHA-256 or SHA-1) of the one certificate that peers may have."}};

inline constexpr BoolOption kRestTls{{"security.ssl.rest.enabled", OptionKind::kBool, "false",
                                      "TLS for the REST server and its clients (HTTPS)."}};
inline constexpr BoolOption kRestTlsAuthentication{
    {"security.ssl.rest.authentication-enabled", OptionKind::kBool, "false",
     "The REST server's clients have to prove by a certificate who they are."}};
inline constexpr TextOption kRestKeystore{
    {"security.ssl.rest.keystore", OptionKind::kText, "",
     "File with the certificate and key of the REST server (PEM or PKCS#12), and of its clients "
     "where they have to have one."}};
inline constexpr TextOption kRestKeystorePassword{
    {"security.ssl.rest.keystore-password", OptionKind::kText, "", "Its password."}};
inline constexpr TextOption kRestKeyPassword{{"security.ssl.rest.key-password", OptionKind::kText,
                                              "", "Password of the key in it; empty: the same."}};
inline constexpr TextOption kRestTruststore{
    {"security.ssl.rest.truststore", OptionKind::kText, "",
     "File with the certificates that the REST server's has to be, or to be signed by; with "
     "authentication those of clients too."}};
inline constexpr TextOption kRestTruststorePassword{
    {"security.ssl.rest.truststore-password", OptionKind::kText, "", "Its password."}};
inline constexpr TextOption kRestFingerprint{
    {"security.ssl.rest.cert.fingerprint", OptionKind::kText, "",
     "Fingerprint (SHA-256 or SHA-1) of the one certificate that the peer may have."}};

inline constexpr BoolOption kZooKeeperTls{
    {"security.ssl.zookeeper.enabled", OptionKind::kBool, "false",
     "TLS to ZooKeeper's servers, whose ports are those of their secureClientPort then."}};
inline constexpr TextOption kZooKeeperKeystore{
    {"security.ssl.zookeeper.keystore", OptionKind::kText, "",
     "File with the certificate and key that this process shows to ZooKeeper (PEM or PKCS#12); "
     "empty: none, which servers may allow (ssl.clientAuth=none)."}};
inline constexpr TextOption kZooKeeperKeystorePassword{
    {"security.ssl.zookeeper.keystore-password", OptionKind::kText, "", "Its password."}};
inline constexpr TextOption kZooKeeperKeyPassword{{"security.ssl.zookeeper.key-password",
                                                   OptionKind::kText, "",
                                                   "Password of the key in it; empty: the same."}};
inline constexpr TextOption kZooKeeperTruststore{
    {"security.ssl.zookeeper.truststore", OptionKind::kText, "",
     "File with the certificates that those of ZooKeeper's servers have to be, or to be signed by; "
     "empty: the machine's authorities."}};
inline constexpr TextOption kZooKeeperTruststorePassword{
    {"security.ssl.zookeeper.truststore-password", OptionKind::kText, "", "Its password."}};
inline constexpr TextOption kZooKeeperFingerprint{
    {"security.ssl.zookeeper.cert.fingerprint", OptionKind::kText, "",
     "Fingerprint (SHA-256 or SHA-1) of the one certificate that ZooKeeper's servers may have."}};

inline constexpr TextOption kTlsProtocol{
    {"security.ssl.protocol", OptionKind::kText, "TLSv1.2",
     "The oldest version that is accepted: TLSv1.2, TLSv1.3."}};
inline constexpr TextOption kTlsAlgorithms{
    {"security.ssl.algorithms", OptionKind::kText, "",
     "Cipher suites of TLS 1.2, separated by commas; empty: those that OpenSSL takes for strong."}};
inline constexpr BoolOption kTlsVerifyHost{
    {"security.ssl.verify-hostname", OptionKind::kBool, "true",
     "Clients of the REST server, and of ZooKeeper, want the server's certificate to be for the "
     "host that they call."}};

}  // namespace tidewheel::options
