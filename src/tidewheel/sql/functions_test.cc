#include "tidewheel/sql/functions.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tidewheel/sql/test_binder.h"

namespace tidewheel::sql {
namespace {

using Cases = std::vector<std::pair<const char*, const char*>>;

class FixedClock final : public Clock {
 public:
  int64_t now_ns() const override { return 0; }
  int64_t wall_ms() const override { return 1'577'880'000'123; }  // 2020-01-01 12:00:00.123 UTC
};

void expect_values(const Cases& cases, const EvalOptions& options = {}) {
  TestBinder binder;
  for (const auto& [text, expected] : cases) {
    EXPECT_EQ(evaluated(binder, text, options), expected) << text;
  }
}

EvalOptions in_berlin() {
  static const FixedClock clock;
  EvalOptions options;
  options.zone = TimeZone::find("Europe/Berlin").value();
  options.clock = &clock;
  return options;
}

TEST(functions, mathematics) {
  expect_values({
      {"SQRT(16)", "4.0"},
      {"LN(1)", "0.0"},
      {"LOG10(1000)", "3.0"},
      {"LOG2(8)", "3.0"},
      {"LOG(2, 8)", "3.0"},
      {"EXP(0)", "1.0"},
      {"POWER(2, 10)", "1024.0"},
      {"SIN(0)", "0.0"},
      {"COS(0.0)", "1.0"},
      {"ATAN2(0, 1)", "0.0"},
      {"DEGREES(PI())", "180.0"},
      {"RADIANS(180) = PI()", "TRUE"},
      {"E()", "2.718281828459045"},
      {"MOD(7, -3)", "1"},
      {"MOD(7.5e0, 2)", "1.5"},
      {"7 % 0", "error: (7 % 0): division of 7 by zero"},
      {"ROUND(2.5, 0)", "3"},
      {"ROUND(-2.5, 0)", "-3"},
      {"ROUND(2.345, 2)", "2.35"},
      {"ROUND(2.345)", "2"},
      {"ROUND(1234.5, -2)", "1200"},
      {"ROUND(125, -1)", "130"},
      {"ROUND(-125, -1)", "-130"},
      {"ROUND(2.675e0, 2)", "2.68"},
      {"ROUND(1e25, 2)", "1.0E25"},
      {"TRUNCATE(42.345, 2)", "42.34"},
      {"TRUNCATE(-42.345)", "-42"},
      {"TRUNCATE(42.345e0, 1)", "42.3"},
      {"FLOOR(2.7)", "2"},
      {"FLOOR(-2.7)", "-3"},
      {"CEIL(2.1)", "3"},
      {"CEIL(-2.1e0)", "-2.0"},
      {"CEILING(5)", "5"},
      {"HEX(255)", "FF"},
      {"HEX('hi')", "6869"},
      {"BIN(10)", "1010"},
      {"GREATEST(1, 3, 2)", "3"},
      {"LEAST(1, 2.5)", "1.0"},
      {"GREATEST(1, NULL)", "NULL"},
      {"RAND(5) = RAND(5)", "TRUE"},
      {"RAND() < 1", "TRUE"},
      {"CHAR_LENGTH(UUID())", "36"},
  });
}

// Short strings, longer ones, and those that are not of ASCII are gone through in different ways.
TEST(functions, letters_of_strings_of_all_sizes_change_case) {
  const std::string all = "@AZ[`az{0 aBcDeFgHiJkLmNoPqRsTuVwXyZ./";
  for (size_t size = 0; size <= all.size(); ++size) {
    const std::string text = all.substr(all.size() - size) + all.substr(0, size % 3);
    std::string lower = text;
    std::string upper = text;
    for (char& c : lower) { c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
    for (char& c : upper) { c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }
    TestBinder binder;
    EXPECT_EQ(evaluated(binder, "LOWER('" + text + "')", {}), lower);
    EXPECT_EQ(evaluated(binder, "UPPER('" + text + "')", {}), upper);
    EXPECT_EQ(evaluated(binder, "LOWER('" + text + "Ä')", {}), lower + "ä");
  }
}

TEST(functions, strings_are_cut_and_joined) {
  expect_values({
      {"'a' || 'b'", "ab"},
      {"'a' || NULL", "NULL"},
      {"'A' || 1",
       "error: || takes no (CHAR(1), INT): it may be ||(STRING, STRING) or ||(BYTES, BYTES)"},
      {"CONCAT('a', 'b', 'c')", "abc"},
      {"CONCAT('a', NULL)", "NULL"},
      {"CONCAT_WS('~', 'a', NULL, 'b')", "a~b"},
      {"CONCAT_WS(NULL, 'a')", "NULL"},
      {"CHAR_LENGTH('äöü')", "3"},
      {"UPPER('straße äж')", "STRASSE ÄЖ"},
      {"LOWER('ÄΣЖ ABC')", "äσж abc"},
      {"INITCAP('hello wORLD-foo')", "Hello World-Foo"},
      {"REVERSE('abcä')", "äcba"},
      {"SUBSTRING('hello', 2, 3)", "ell"},
      {"SUBSTRING('hello' FROM 2)", "ello"},
      {"SUBSTRING('hello', -3)", "llo"},
      {"SUBSTRING('hello', -3, 2)", "ll"},
      {"SUBSTRING('hello', 0, 2)", "he"},
      {"SUBSTRING('hello', -9, 2)", ""},
      {"SUBSTRING('hello', -9223372036854775807 - 1)", ""},
      {"SUBSTR('hällo', 2, 2)", "äl"},
      {"SUBSTRING('hello', 2, -1)", "NULL"},
      {"LEFT('hello', 2)", "he"},
      {"RIGHT('hello', 2)", "lo"},
      {"RIGHT('hello', 9)", "hello"},
      {"SPLIT_INDEX('a,b,,d', ',', 3)", "d"},
      {"SPLIT_INDEX('a,b,,d', ',', 2)", ""},
      {"SPLIT_INDEX('a,b', ',', 2)", "NULL"},
      {"SPLIT_INDEX('https://x.com/a/b', '/', 3)", "a"},
      {"SPLIT_INDEX('a1b1c', 49, 1)", "b"},
      {"SPLIT_INDEX('', ',', 0)", "NULL"},
      {"TRIM('  a b  ')", "a b"},
      {"TRIM(LEADING 'x' FROM 'xxaxx')", "axx"},
      {"TRIM(TRAILING 'x' FROM 'xxaxx')", "xxa"},
      {"TRIM('x' FROM 'xxaxx')", "a"},
      {"LTRIM('  a ')", "a "},
      {"RTRIM(' a  ')", " a"},
      {"BTRIM('xyaxy', 'yx')", "a"},
      {"LPAD('hi', 4, '+-')", "+-hi"},
      {"LPAD('hi', 1, '+-')", "h"},
      {"RPAD('hi', 5, 'ab')", "hiaba"},
      {"LPAD('hi', 4, '')", "NULL"},
      {"REPEAT('ab', 3)", "ababab"},
      {"REPEAT('ab', -1)", ""},
      {"REPLACE('hello world', 'o', '0')", "hell0 w0rld"},
      {"REPLACE('aaa', 'aa', 'b')", "ba"},
      {"OVERLAY('xxxxxtest' PLACING 'xxxx' FROM 6)", "xxxxxxxxx"},
      {"OVERLAY('xxxxxtest' PLACING 'xxxx' FROM 6 FOR 2)", "xxxxxxxxxst"},
      {"OVERLAY('hello' PLACING 'x' FROM 2 FOR 9223372036854775807)", "hx"},
      {"TRANSLATE('hello', 'el', 'ip')", "hippo"},
      {"TRANSLATE('hello', 'l', '')", "heo"},
      {"PRINTF('%s has %d, %5.2f%%, %05d|%-4s|%x', 'a', 7, 1.5e0, 42, 'b', -1)",
       "a has 7,  1.50%, 00042|b   |ffffffff"},
      {"PRINTF('%2$s %1$s', 'a', NULL)", "null a"},
      {"PRINTF('%,d', 1234567)", "1,234,567"},
      {"PRINTF('%.1f', 2.25)", "2.3"},
      {"ELT(2, 'a', 'b')", "b"},
      {"ELT(3, 'a', 'b')", "NULL"},
  });
}

TEST(functions, strings_are_searched_and_encoded) {
  expect_values({
      {"POSITION('lo' IN 'hello')", "4"},
      {"POSITION('x' IN 'hello')", "0"},
      {"LOCATE('l', 'hello')", "3"},
      {"LOCATE('l', 'hello', 4)", "4"},
      {"LOCATE('l', 'hello', 0)", "3"},
      {"INSTR('Corporate Floor', 'or', 3, 2)", "14"},
      {"INSTR('Corporate Floor', 'or', -3, 2)", "2"},
      {"INSTR('hello', 'l')", "3"},
      {"STARTSWITH('hello', 'he')", "TRUE"},
      {"ENDSWITH('hello', 'he')", "FALSE"},
      {"ASCII('abc')", "97"},
      {"CHR(97)", "a"},
      {"CHR(353)", "a"},
      {"HASH_CODE('hello')", "99162322"},
      {"TO_BASE64('hello world')", "aGVsbG8gd29ybGQ="},
      {"FROM_BASE64('aGVsbG8gd29ybGQ=')", "hello world"},
      {"URL_ENCODE('a b&c=ä')", "a+b%26c%3D%C3%A4"},
      {"URL_DECODE('a+b%26c%3D%C3%A4')", "a b&c=ä"},
      {"DECODE(ENCODE('aä', 'UTF-16LE'), 'UTF-16LE')", "aä"},
      {"HEX(ENCODE('aä', 'ISO-8859-1'))", "61E4"},
      {"PARSE_URL('http://u@h.com:8080/path/p1.php?query=1&k=2#Ref', 'HOST')", "h.com"},
      {"PARSE_URL('http://h.com/path/p1.php?query=1&k=2#Ref', 'QUERY')", "query=1&k=2"},
      {"PARSE_URL('http://h.com/path/p1.php?query=1&k=2#Ref', 'QUERY', 'k')", "2"},
      {"PARSE_URL('http://h.com/path/p1.php?query=1#Ref', 'REF')", "Ref"},
      {"PARSE_URL('http://h.com/path/p1.php?query=1#Ref', 'PATH')", "/path/p1.php"},
      {"PARSE_URL('nothing', 'HOST')", "NULL"},
      {"IS_ALPHA('abÄ')", "TRUE"},
      {"IS_ALPHA('ab1')", "FALSE"},
      {"IS_DIGIT('123')", "TRUE"},
      {"IS_DIGIT(123)", "TRUE"},
      {"IS_DECIMAL('-1.5e3')", "TRUE"},
      {"IS_DECIMAL('1.x')", "FALSE"},
      {"MD5('hello')", "5d41402abc4b2a76b9719d911017c592"},
      {"SHA1('hello')", "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"},
      {"SHA256('hello')", "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"},
      {"SHA2('hello', 256) = SHA256('hello')", "TRUE"},
      {"SHA2('hello', 1)", "error: SHA2('hello', 1): SHA2 has 224, 256, 384 or 512 bits, not 1"},
  });
}

TEST(functions, patterns) {
  expect_values({
      {"'hello' LIKE 'he%'", "TRUE"},
      {"'hello' LIKE '%lo'", "TRUE"},
      {"'hello' LIKE '%ell%'", "TRUE"},
      {"'hello' LIKE 'h_llo'", "TRUE"},
      {"'hällo' LIKE 'h_llo'", "TRUE"},
      {"'hello' LIKE 'h%l%o'", "TRUE"},
      {"'hello' LIKE '%l_'", "TRUE"},
      {"'hello' LIKE '_'", "FALSE"},
      {"'' LIKE '%'", "TRUE"},
      {"'aab' LIKE '%ab'", "TRUE"},
      {"'abcabd' LIKE '%ab_d%'", "FALSE"},
      {"'a%c' LIKE 'a!%c' ESCAPE '!'", "TRUE"},
      {"'abc' LIKE 'a!%c' ESCAPE '!'", "FALSE"},
      {"'abc' NOT LIKE 'a%'", "FALSE"},
      {"NULL LIKE 'a%'", "NULL"},
      {"'abc' SIMILAR TO '(a|b)%'", "TRUE"},
      {"'abc' SIMILAR TO 'a.c'", "FALSE"},
      {"'aaa' SIMILAR TO 'a{3}'", "TRUE"},
      {"REGEXP('hello', 'l+')", "TRUE"},
      {"REGEXP_EXTRACT('foothebar', 'foo(.*?)(bar)', 2)", "bar"},
      {"REGEXP_EXTRACT('foothebar', 'foo(.*?)(bar)')", "foothebar"},
      {"REGEXP_EXTRACT('foothebar', 'x')", "NULL"},
      {"REGEXP_EXTRACT('a=1&channel_id=77&b', '(&|^)channel_id=([^&]*)', 2)", "77"},
      {"REGEXP_EXTRACT('abc', '(?<x>b)', 1)", "b"},
      // The string that all matches have is not always where one begins.
      {"REGEXP_EXTRACT('xchannel_id=1&channel_id=2', '(&|^)channel_id=([^&]*)', 2)", "2"},
      {"REGEXP_EXTRACT('xchannel_id=1', '(&|^)channel_id=([^&]*)', 2)", "NULL"},
      {"REGEXP_EXTRACT('aab ab', '\\bab')", "ab"},
      {"REGEXP_EXTRACT('aab', '\\bab')", "NULL"},
      {"REGEXP_EXTRACT('abab', '^ab')", "ab"},
      {"REGEXP_EXTRACT('xabyz', '(x|y)?ab(.)', 2)", "y"},
      {"REGEXP_REPLACE('xabyabab', 'y?ab', '-')", "x---"},
      {"REGEXP_REPLACE('abab', '^ab', '-')", "-ab"},
      {"REGEXP_COUNT('ababxab', '[a-z]?ab')", "3"},
      {"REGEXP_INSTR('xxab', 'ab')", "3"},
      {"REGEXP_EXTRACT('abc', '(b')",
       "error: '(b' is no regular expression: missing ): (b (RE2's syntax, without look-around "
       "and back references)"},
      {"REGEXP_REPLACE('foobar', 'oo|ar', '-')", "f-b-"},
      {"REGEXP_REPLACE('abc', 'x*', '-')", "-a-b-c-"},
      {"REGEXP_COUNT('abcabc', 'b')", "2"},
      {"REGEXP_INSTR('abcabc', 'c')", "3"},
      {"REGEXP_SUBSTR('abc123', '[0-9]+')", "123"},
  });
}

TEST(functions, parts_of_times) {
  expect_values({
      {"EXTRACT(YEAR FROM TIMESTAMP '2020-02-29 13:14:15.678')", "2020"},
      {"EXTRACT(DAY FROM DATE '2020-02-29')", "29"},
      {"EXTRACT(MILLISECOND FROM TIMESTAMP '2020-02-29 13:14:15.678')", "678"},
      {"EXTRACT(DOW FROM DATE '2020-03-01')", "1"},
      {"EXTRACT(ISODOW FROM DATE '2020-03-01')", "7"},
      {"EXTRACT(WEEK FROM DATE '2021-01-03')", "53"},
      {"EXTRACT(CENTURY FROM DATE '2000-01-01')", "20"},
      {"EXTRACT(EPOCH FROM TIMESTAMP '1970-01-02 00:00:01')", "86401"},
      {"EXTRACT(HOUR FROM INTERVAL '25' HOUR)", "1"},
      {"EXTRACT(DAY FROM INTERVAL '25' HOUR)", "1"},
      {"YEAR(DATE '2020-02-29')", "2020"},
      {"QUARTER(DATE '2020-05-29')", "2"},
      {"MONTH(TIMESTAMP '2020-02-29 13:14:15')", "2"},
      {"DAYOFYEAR(DATE '2020-12-31')", "366"},
      {"DAYOFMONTH(DATE '2020-12-31')", "31"},
      {"DAYOFWEEK(DATE '2020-03-01')", "1"},
      {"HOUR(TIMESTAMP '1960-02-29 13:14:15')", "13"},
      {"MINUTE(TIME '13:14:15')", "14"},
      {"SECOND(TIMESTAMP '2020-02-29 13:14:15.9')", "15"},
      {"FLOOR(TIMESTAMP '2020-02-29 13:14:15.678' TO HOUR)", "2020-02-29 13:00:00.000"},
      {"FLOOR(TIMESTAMP '2020-02-29 13:14:15.678' TO MONTH)", "2020-02-01 00:00:00.000"},
      {"FLOOR(DATE '2020-02-29' TO YEAR)", "2020-01-01"},
      {"FLOOR(DATE '2020-03-04' TO WEEK)", "2020-03-01"},
      {"CEIL(TIMESTAMP '2020-02-29 13:14:15.678' TO MINUTE)", "2020-02-29 13:15:00.000"},
      {"CEIL(TIMESTAMP '2020-02-29 13:14:15.678' TO QUARTER)", "2020-04-01 00:00:00.000"},
      {"CEIL(DATE '2020-01-01' TO YEAR)", "2020-01-01"},
      {"FLOOR(TIME '13:14:15' TO HOUR)", "13:00:00"},
      // Beyond the borders they are NULL.
      {"FLOOR(TIMESTAMP '1677-09-21 00:12:44.000000000' TO HOUR)", "NULL"},
      {"CEIL(TIMESTAMP '2262-04-11 23:47:16.854775807' TO HOUR)", "NULL"},
      {"TIMESTAMPADD(WEEK, 1, DATE '2003-01-02')", "2003-01-09"},
      {"TIMESTAMPADD(MONTH, 1, TIMESTAMP '2020-01-31 10:00:00')", "2020-02-29 10:00:00"},
      {"TIMESTAMPADD(HOUR, -3, TIMESTAMP '2020-01-31 01:00:00')", "2020-01-30 22:00:00"},
      {"TIMESTAMPADD(HOUR, 3, DATE '2020-01-31')", "2020-01-31 03:00:00.000"},
      {"TIMESTAMPDIFF(DAY, TIMESTAMP '2003-01-02 10:00:00', TIMESTAMP '2003-01-03 10:00:00')", "1"},
      {"TIMESTAMPDIFF(MONTH, DATE '2020-01-31', DATE '2020-02-29')", "1"},
      {"TIMESTAMPDIFF(MONTH, DATE '2020-03-01', DATE '2020-01-31')", "-1"},
      {"TIMESTAMPDIFF(SECOND, DATE '2020-03-01', TIMESTAMP '2020-03-01 00:01:00')", "60"},
      {"EXTRACT(CENTURY FROM TIME '10:00:00')",
       "error: EXTRACT takes no (CHAR(7), TIME(0)): it may be EXTRACT(unit FROM date, time, "
       "timestamp or interval)"},
  });
}

TEST(functions, texts_of_times) {
  expect_values({
      {"DATE_FORMAT(TIMESTAMP '2020-02-09 13:04:05.678', 'yyyy-MM-dd HH:mm:ss.SSS')",
       "2020-02-09 13:04:05.678"},
      {"DATE_FORMAT(TIMESTAMP '2020-02-09 13:04:05', 'EEE, d MMM yy h:mm a')",
       "Sun, 9 Feb 20 1:04 PM"},
      {"DATE_FORMAT(TIMESTAMP '2020-02-09 13:04:05', 'MMMM D QQ ''T''')", "February 40 01 T"},
      {"DATE_FORMAT('2020-02-09 13:04:05', 'HH')", "13"},
      {"DATE_FORMAT('nothing', 'HH')", "NULL"},
      {"DATE_FORMAT(TIMESTAMP '2020-02-09 13:04:05', 'yyyy-bb')",
       "error: the pattern 'yyyy-bb' for times has the letter b, which means nothing; letters "
       "that are none are quoted: 'T'"},
      {"TO_TIMESTAMP('2020-02-09 13:04:05.5')", "2020-02-09 13:04:05.500"},
      {"TO_TIMESTAMP('2020-02-30 00:00:00')", "NULL"},
      {"TO_TIMESTAMP('09/02/2020 1:04', 'dd/MM/yyyy H:mm')", "2020-02-09 01:04:00.000"},
      {"TO_TIMESTAMP('20200209130405', 'yyyyMMddHHmmss')", "2020-02-09 13:04:05.000"},
      {"TO_TIMESTAMP('2020-2-9', 'yyyy-MM-dd')", "NULL"},
      {"TRY_CAST('2262-04-11 23:47:16.854775807' AS TIMESTAMP(9))",
       "2262-04-11 23:47:16.854775807"},
      {"TRY_CAST('2262-04-11 23:47:16.854775808' AS TIMESTAMP(9))", "NULL"},
      {"TO_DATE('2020-02-09')", "2020-02-09"},
      {"TO_DATE('09.02.2020', 'dd.MM.yyyy')", "2020-02-09"},
      {"TO_DATE('x')", "NULL"},
      {"CONVERT_TZ('1970-01-01 00:00:00', 'UTC', 'America/Los_Angeles')", "1969-12-31 16:00:00"},
  });
}

TEST(functions, instants_are_shown_in_the_session_zone) {
  expect_values(
      {
          {"FROM_UNIXTIME(0)", "1970-01-01 01:00:00"},
          {"FROM_UNIXTIME(44, 'ss')", "44"},
          {"UNIX_TIMESTAMP('1970-01-01 01:00:44')", "44"},
          {"UNIX_TIMESTAMP()", "1577880000"},
          {"TO_TIMESTAMP_LTZ(1000, 3)", "1970-01-01 01:00:01.000"},
          {"TO_TIMESTAMP_LTZ(1000, 0)", "1970-01-01 01:16:40.000"},
          {"TO_TIMESTAMP_LTZ('2020-07-01 00:00:00')", "2020-07-01 00:00:00.000"},
          {"NOW()", "2020-01-01 13:00:00.123"},
          {"CURRENT_TIMESTAMP", "2020-01-01 13:00:00.123"},
          {"LOCALTIMESTAMP", "2020-01-01 13:00:00.123"},
          {"LOCALTIME", "13:00:00"},
          {"CURRENT_DATE", "2020-01-01"},
          {"HOUR(TO_TIMESTAMP_LTZ(0, 3))", "1"},
          {"FLOOR(TO_TIMESTAMP_LTZ(0, 3) TO DAY)", "1970-01-01 00:00:00.000"},
          {"CAST(TO_TIMESTAMP_LTZ(0, 3) AS TIMESTAMP(3))", "1970-01-01 01:00:00.000"},
          {"CAST(TIMESTAMP '2020-03-29 02:30:00' AS TIMESTAMP_LTZ(3))", "2020-03-29 03:30:00.000"},
          {"CAST('2020-07-01 00:00:00' AS TIMESTAMP_LTZ(3)) = TO_TIMESTAMP_LTZ(1593554400, 0)",
           "TRUE"},
          {"DATE_FORMAT(TO_TIMESTAMP_LTZ(0, 3), 'HH:mm XXX')", "01:00 +01:00"},
          {"CURRENT_WATERMARK(TO_TIMESTAMP_LTZ(0, 3))", "NULL"},
          {"CURRENT_DATABASE()", "default_database"},
      },
      in_berlin());
}

TEST(functions, conditions) {
  expect_values({
      {"IF(1 > 2, 'a', 'b')", "b"},
      {"IF(NULL, 1, 2)", "2"},
      {"IF(TRUE, 1, 1 / 0)", "1"},
      {"IFNULL(NULL, 5)", "5"},
      {"NULLIF(5, 5)", "NULL"},
      {"NULLIF(5, 0)", "5"},
      {"COALESCE(NULL, NULL, 1.5, 2)", "1.5"},
      {"COALESCE(1, 1 / 0)", "1"},
      {"TYPEOF(1.5)", "DECIMAL(2, 1) NOT NULL"},
      {"2 IN (1, 2)", "TRUE"},
      {"1 IN (2, NULL)", "NULL"},
      {"1 NOT IN (2, NULL)", "NULL"},
      {"2 IN (2, NULL)", "TRUE"},
      {"'b' IN ('a', 'b')", "TRUE"},
      {"'z' IN ('a', 'b', 'c', 'd', 'e', 'f')", "FALSE"},
      {"20 IN (1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20)", "TRUE"},
      {"1.5 IN (1, 1.50)", "TRUE"},
      {"DATE '2020-01-01' IN ('2020-01-01')", "TRUE"},
      {"2 BETWEEN 1 AND 3", "TRUE"},
  });
}

TEST(functions, collections) {
  expect_values({
      {"ARRAY[1, 2, NULL]", "[1, 2, NULL]"},
      {"MAP['a', 1, 'b', 2, 'a', 3]", "{a=3, b=2}"},
      {"ROW(1, 'a')", "(1, a)"},
      {"ROW(0e0, -0e0)", "(0.0, -0.0)"},
      {"ARRAY[ROW(1, 'a'), ROW(2, 'b')]", "[(1, a), (2, b)]"},
      {"ARRAY[1, 2][2]", "2"},
      {"ARRAY[1, 2][3]", "NULL"},
      {"ARRAY[1, 2][0]", "error: an array's elements are counted from 1, not 0"},
      {"MAP['a', 1]['a']", "1"},
      {"MAP['a', 1]['b']", "NULL"},
      {"CARDINALITY(ARRAY[1, 2])", "2"},
      {"CARDINALITY(ARRAY[])", "0"},
      {"CARDINALITY(MAP['a', 1])", "1"},
      {"ELEMENT(ARRAY[7])", "7"},
      {"ELEMENT(ARRAY[7, 8])", "error: ELEMENT([7, 8]): the array has 2 elements instead of one"},
      {"ARRAY_APPEND(ARRAY[1], 2.5)", "[1.0, 2.5]"},
      {"ARRAY_APPEND(ARRAY[1], NULL)", "[1, NULL]"},
      {"ARRAY_PREPEND(ARRAY[1], 0)", "[0, 1]"},
      {"ARRAY_CONCAT(ARRAY[1], ARRAY[2, 3], ARRAY[4])", "[1, 2, 3, 4]"},
      {"ARRAY_CONTAINS(ARRAY['a', 'b'], 'b')", "TRUE"},
      {"ARRAY_DISTINCT(ARRAY[1, 2, 1, NULL, NULL])", "[1, 2, NULL]"},
      {"ARRAY_EXCEPT(ARRAY[1, 1, 2], ARRAY[1])", "[1, 2]"},
      {"ARRAY_INTERSECT(ARRAY[1, 2, 2, 3], ARRAY[3, 2])", "[2, 3]"},
      {"ARRAY_JOIN(ARRAY['a', NULL, 'b'], '-')", "a-b"},
      {"ARRAY_JOIN(ARRAY['a', NULL, 'b'], '-', '?')", "a-?-b"},
      {"ARRAY_MAX(ARRAY[3, 5, NULL])", "5"},
      {"ARRAY_MIN(ARRAY[3, 5, NULL])", "3"},
      {"ARRAY_POSITION(ARRAY[3, 5], 5)", "2"},
      {"ARRAY_REMOVE(ARRAY[1, 2, 1], 1)", "[2]"},
      {"ARRAY_REVERSE(ARRAY[1, 2])", "[2, 1]"},
      {"ARRAY_SLICE(ARRAY[1, 2, 3, 4], 2, 3)", "[2, 3]"},
      {"ARRAY_SLICE(ARRAY[1, 2, 3, 4], -2)", "[3, 4]"},
      {"ARRAY_SORT(ARRAY[2, NULL, 1])", "[NULL, 1, 2]"},
      {"ARRAY_SORT(ARRAY[2, NULL, 1], FALSE)", "[2, 1, NULL]"},
      {"ARRAY_UNION(ARRAY[1, 2], ARRAY[2, 3])", "[1, 2, 3]"},
      {"MAP_KEYS(MAP['a', 1])", "[a]"},
      {"MAP_VALUES(MAP['a', 1])", "[1]"},
      {"MAP_ENTRIES(MAP['a', 1])", "[(a, 1)]"},
      {"MAP_FROM_ARRAYS(ARRAY['a', 'b'], ARRAY[1, 2])", "{a=1, b=2}"},
      {"MAP_UNION(MAP['a', 1], MAP['a', 2, 'b', 3])", "{a=2, b=3}"},
      {"SPLIT('a,b,', ',')", "[a, b, ]"},
      {"STR_TO_MAP('k1=v1,k2=v2')", "{k1=v1, k2=v2}"},
      {"STR_TO_MAP('k1:v1;k2', ';', ':')", "{k1=v1, k2=NULL}"},
      {"ARRAY[1, 2] = ARRAY[1, 2]", "TRUE"},
      {"MAP['a', 1, 'b', 2] = MAP['b', 2, 'a', 1]", "TRUE"},
      {"CAST(ARRAY[1, 2] AS ARRAY<STRING>)", "[1, 2]"},
      {"CAST(ROW(1, '2') AS ROW<a STRING, b INT>)", "(1, 2)"},
      {"CAST(MAP['1', 2] AS MAP<INT, DOUBLE>)", "{1=2.0}"},
      {"TRY_CAST(ARRAY['1', 'x'] AS ARRAY<INT>)", "[1, NULL]"},
  });
}

TEST(function_registry, lists_words_and_not_operators) {
  const FunctionRegistry registry = builtin_functions();
  const auto names = registry.names();
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  EXPECT_EQ(std::count(names.begin(), names.end(), "UPPER"), 1);
  EXPECT_EQ(std::count(names.begin(), names.end(), "+"), 0);
  EXPECT_EQ(std::count(names.begin(), names.end(), "IS NULL"), 0);
  EXPECT_NE(registry.find("upper"), nullptr);
  EXPECT_FALSE(registry.find("now")->is_deterministic());
  EXPECT_EQ(registry.resolve("UPER", std::vector<LogicalType>{}).status().id(), ErrorId::kSqlName);
}

// What a user writes: by row, or for many rows.
class TwiceFunction final : public ScalarFunction {
 public:
  TwiceFunction() : ScalarFunction("TWICE", {}) {}
  Result<Signature> resolve(std::span<const Argument> arguments) const override {
    if (arguments.size() != 1) {
      return invalid_argument(ErrorId::kSqlType, "TWICE takes one BIGINT");
    }
    const LogicalType type = LogicalType::of(TypeKind::kBigint, arguments[0].type.nullable);
    return Signature{type, {type}};
  }
  Result<std::unique_ptr<Kernel>> make_kernel(const KernelSetup&) const override {
    class Twice final : public Kernel {
     public:
      Status run(const KernelCall& call) override {
        for (uint32_t i = 0; i < call.rows; ++i) {
          call.result->values<int64_t>()[i] = call.arguments[0].at<int64_t>(i) * 2;
        }
        return {};
      }
    };
    return std::unique_ptr<Kernel>(std::make_unique<Twice>());
  }
};

TEST(function_registry, takes_functions_of_users) {
  FunctionRegistry registry = builtin_functions();
  registry.add(std::make_shared<TwiceFunction>());
  const Bound literal = Bound::of_literal({int64_t{21}}, LogicalType::of(TypeKind::kBigint, false));
  const auto resolved = registry.resolve("twice", std::vector<LogicalType>{literal.type});
  ASSERT_TRUE(resolved.ok());
  Bound call;
  call.kind = Bound::Kind::kCall;
  call.function = resolved->function;
  call.type = resolved->result;
  call.arguments.push_back(literal);
  EXPECT_EQ(fold(call, {}).literal.integer(), 42);
}

TEST(typing, finds_what_values_have_in_common) {
  const auto common = [](const std::vector<std::string>& texts) {
    std::vector<LogicalType> types;
    for (const std::string& text : texts) { types.push_back(TestBinder::type_of(text)); }
    const auto type = common_type(types);
    return type.ok() ? type->to_string() : type.status().message();
  };
  EXPECT_EQ(common({"INT", "BIGINT"}), "BIGINT");
  EXPECT_EQ(common({"INT NOT NULL", "BIGINT NOT NULL"}), "BIGINT NOT NULL");
  EXPECT_EQ(common({"INT", "DECIMAL(2, 1)"}), "DECIMAL(11, 1)");
  EXPECT_EQ(common({"INT", "FLOAT"}), "FLOAT");
  EXPECT_EQ(common({"DECIMAL(5, 2)", "FLOAT"}), "DOUBLE");
  EXPECT_EQ(common({"CHAR(3)", "CHAR(3)"}), "CHAR(3)");
  EXPECT_EQ(common({"CHAR(3)", "VARCHAR(2)"}), "VARCHAR(3)");
  EXPECT_EQ(common({"STRING", "CHAR(3)"}), "STRING");
  EXPECT_EQ(common({"DATE", "TIMESTAMP(3)"}), "TIMESTAMP(3)");
  EXPECT_EQ(common({"ARRAY<INT>", "ARRAY<BIGINT>"}), "ARRAY<BIGINT>");
  EXPECT_EQ(common({"INT", "STRING"}), "INT and STRING have no type in common: CAST one");
  EXPECT_FALSE(can_cast_implicitly(TestBinder::type_of("STRING"), TestBinder::type_of("INT")));
  EXPECT_FALSE(can_cast_implicitly(TestBinder::type_of("BIGINT"), TestBinder::type_of("INT")));
  EXPECT_TRUE(can_cast(TestBinder::type_of("STRING"), TestBinder::type_of("DATE")));
  EXPECT_FALSE(can_cast(TestBinder::type_of("INT"), TestBinder::type_of("DATE")));
}

TEST(typing, decimals_have_flinks_digits) {
  const auto d = [](int32_t p, int32_t s) { return LogicalType::decimal(p, s); };
  EXPECT_EQ(decimal_sum_type(d(10, 2), d(5, 4)).to_string(), "DECIMAL(13, 4)");
  EXPECT_EQ(decimal_product_type(d(10, 2), d(5, 4)).to_string(), "DECIMAL(15, 6)");
  EXPECT_EQ(decimal_quotient_type(d(10, 2), d(5, 4)).to_string(), "DECIMAL(20, 8)");
  EXPECT_EQ(decimal_sum_type(d(38, 10), d(38, 10)).to_string(), "DECIMAL(38, 9)");
  EXPECT_EQ(decimal_product_type(d(38, 18), d(38, 18)).to_string(), "DECIMAL(38, 6)");
  EXPECT_EQ(decimal_average_type(d(10, 2)).to_string(), "DECIMAL(38, 6)");
}

}  // namespace
}  // namespace tidewheel::sql
