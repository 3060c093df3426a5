#include "tidewheel/connectors/kafka/sasl.h"

#include <gtest/gtest.h>

#include <string>

namespace tidewheel::kafka {
namespace {

// The exchange of RFC 7677, section 3.
constexpr char kServerFirst[] =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
constexpr char kServerFinal[] = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

Scram of_the_rfc() { return Scram(ScramHash::kSha256, "user", "pencil", "rOprNGfwEbeRWgbNEkqO"); }

TEST(KafkaScram, is_what_the_rfc_says) {
  Scram scram = of_the_rfc();
  EXPECT_EQ(scram.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
  const auto final = scram.finish(kServerFirst);
  ASSERT_TRUE(final.ok()) << final.status().to_string();
  EXPECT_EQ(*final,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
            "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
  EXPECT_TRUE(scram.check(kServerFinal).ok());
}

TEST(KafkaScram, does_not_believe_a_broker_without_the_password) {
  Scram scram = of_the_rfc();
  ASSERT_TRUE(scram.finish(kServerFirst).ok());
  for (const char* answer :
       {"", "v=", "e=invalid-proof", "v=AAAA", "v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="}) {
    EXPECT_EQ(scram.check(answer).id(), ErrorId::kKafkaAccess) << answer;
  }
  for (const char* answer :
       {"", "r=other,s=W22Z,i=4096", "r=rOprNGfwEbeRWgbNEkqO,s=W22Z,i=4096",
        "r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=0", "r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=2000000000",
        "r=rOprNGfwEbeRWgbNEkqOx,s=,i=4096", "r=rOprNGfwEbeRWgbNEkqOx,s=*,i=4096"}) {
    EXPECT_EQ(of_the_rfc().finish(answer).status().id(), ErrorId::kKafkaAccess) << answer;
  }
}

TEST(KafkaScram, names_may_have_commas_and_equals_signs) {
  EXPECT_EQ(Scram(ScramHash::kSha512, "a=b,c", "p", "n").first(), "n,,n=a=3Db=2Cc,r=n");
}

TEST(KafkaScram, users_are_found_in_the_configuration_of_kafkas_own_client) {
  const std::string config =
      "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"ann\" "
      "password=\"p \\\"w\";";
  EXPECT_EQ(jaas_value(config, "username"), "ann");
  EXPECT_EQ(jaas_value(config, "password"), "p \"w");
  EXPECT_EQ(jaas_value(config, "name"), "");
  EXPECT_EQ(jaas_value("", "username"), "");
}

}  // namespace
}  // namespace tidewheel::kafka
