#include "sylvester/io/json.h"

#include <cmath>
#include <limits>

#include "io/io_test_util.h"

namespace sylvester::io {
namespace {

JsonValue parse(std::string_view text) { return parse_json(text, "f.json"); }

TEST(Json, ReadsEveryKind) {
  const JsonValue v = parse(
      R"({"n":null,"t":true,"i":-3,"u":18446744073709551615,"r":2.5e-3,"s":"\u00e9\n","a":[1,[2],{}]})");
  EXPECT_TRUE(v.at("n").is_null());
  EXPECT_TRUE(v.at("t").as_bool());
  EXPECT_EQ(v.at("i").as_int(), -3);
  EXPECT_EQ(v.at("u").as_uint(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(v.at("r").as_double(), 2.5e-3);
  EXPECT_EQ(v.at("s").as_string(), "\xC3\xA9\n");
  EXPECT_EQ(v.at("a").size(), 3);
  EXPECT_EQ(v.at("a").items()[1].items()[0].as_int(), 2);
  EXPECT_EQ(v.at("a").items()[1].items()[0].path(), "a[1][0]");
  EXPECT_EQ(v.members()[2].first, "i");
  EXPECT_EQ(v.get_int("absent", 7), 7);
  EXPECT_EQ(v.get_int("n", 7), 7);
}

struct BadJson {
  std::string_view text;
  std::int64_t offset;
  std::string_view field;
  std::string_view says;
};

TEST(Json, RefusesWithPlace) {
  const BadJson cases[] = {
      {"", 0, "", "unexpected end of input"},
      {"{", 1, "", "unexpected end of input"},
      {"\xEF\xBB\xBF{}", 0, "", "byte-order mark"},
      {"{/*c*/}", 1, "", "invalid literal"},
      {"{} x", 3, "", "expected end of input"},
      {"{\"a\":1,}", 7, "", "expected string literal"},
      {"{\"a\":1,\"a\":1}", 10, "a", "duplicate key, first at 4"},
      {"{\"a\":{\"b\":1,\"c\":2,\"b\":3}}", 21, "b", "duplicate key, first at 9"},
      {"{\"\xFF\":1}", 2, "", "ill-formed UTF-8"},
      {std::string_view("{\"a\0\":1}", 8), 3, "", "control character"},
      {"{\"\\ud800\":1}", 8, "", "surrogate"},
      {"[NaN]", 1, "", "invalid literal"},
      {"[1e999]", 5, "", "overflow"},
      {"[18446744073709551616]", 21, "", "does not fit 64 bits"},
      {"{\"a\":-9223372036854775809}", 25, "a", "does not fit 64 bits"},
      {"[01]", 2, "", "expected"},
      {"['a']", 1, "", "invalid literal"},
  };
  for (const BadJson& c : cases) {
    SCOPED_TRACE(printable(c.text));
    test::expect_format_error([&] { parse(c.text); }, "f.json", c.offset, c.field, c.says);
  }
}

TEST(Json, DepthIsBounded) {
  const auto nested = [](int n) { return std::string(n, '[') + std::string(n, ']'); };
  EXPECT_NO_THROW(parse(nested(kMaxJsonDepth)));
  test::expect_format_error([&] { parse(nested(kMaxJsonDepth + 1)); }, "f.json", kMaxJsonDepth, "",
                            "nesting depth > 64");
  test::expect_format_error([&] { parse(std::string(1'000'000, '[')); }, "f.json", kMaxJsonDepth,
                            "", "nesting depth > 64");
}

TEST(Json, TypedAccessNamesThePath) {
  const JsonValue v = parse(R"({"rope":{"theta":"x"},"layers":[1,2.0],"big":9007199254740993})");
  test::expect_format_error([&] { v.at("rope").at("theta").as_double(); }, "f.json", 20,
                            "rope.theta", "is a string; want a number");
  test::expect_format_error([&] { v.at("layers").items()[1].as_int(); }, "f.json", 37, "layers[1]",
                            "is a number; want an integer");
  test::expect_format_error([&] { v.at("big").as_double(); }, "f.json", 61, "big", "not exact");
  test::expect_format_error([&] { v.at("layer"); }, "f.json", 1, "layer",
                            "missing; did you mean 'layers'?");
  const std::string_view known[] = {"rope", "layer_count", "big", "layer"};
  test::expect_format_error([&] { v.refuse_unknown_keys(known); }, "f.json", 32, "layers",
                            "unknown key; did you mean 'layer'?");
  EXPECT_EQ(parse("9007199254740992").as_double(), 0x1p53);
  EXPECT_THROW(parse("18446744073709551615").as_double(), FormatError);
  EXPECT_THROW(parse("9223372036854775808").as_int(), FormatError);
  EXPECT_EQ(parse("-9223372036854775808").as_int(), std::numeric_limits<std::int64_t>::min());
}

TEST(Json, WriterAndReaderAreInverses) {
  JsonWriter json;
  json.begin_object().key("a\"\\\n\x01").value("\xC3\xA9").key("f").value(0.1f);
  json.key("d").value(0.1).key("whole").value(3.0).key("i").value(std::int64_t{-5});
  json.key("u").value(std::numeric_limits<std::uint64_t>::max());
  json.key("nan").value(std::nan("")).key("inf").value(-std::numeric_limits<double>::infinity());
  json.key("list").begin_array().value(true).value(nullptr).begin_object().end_object();
  json.end_array().end_object();
  EXPECT_EQ(json.text(),
            "{\"a\\\"\\\\\\n\\u0001\":\"\xC3\xA9\",\"f\":0.1,\"d\":0.1,\"whole\":3.0,\"i\":-5,"
            "\"u\":18446744073709551615,\"nan\":\"NaN\",\"inf\":\"-Infinity\","
            "\"list\":[true,null,{}]}");
  EXPECT_EQ(parse(json.text()).dump(), json.text());
}

TEST(Json, WriterRefusesDisorder) {
  EXPECT_THROW(JsonWriter().begin_object().value(1), ValueError);
  EXPECT_THROW(JsonWriter().begin_array().key("a"), ValueError);
  EXPECT_THROW(JsonWriter().begin_array().end_object(), ValueError);
  EXPECT_THROW(JsonWriter().begin_array().text(), ValueError);
  EXPECT_THROW(JsonWriter().value(1).value(2), ValueError);
  EXPECT_THROW(JsonWriter().value("\xFF"), ValueError);
}

TEST(Json, PrintableEscapesWhatTerminalsObey) {
  EXPECT_EQ(printable("a\x1b[31m\xFFz\xC2\x85\xC3\xA9"), "a\\x1b[31m\\xffz\\xc2\\x85\xC3\xA9");
  EXPECT_EQ(printable(std::string(200, 'x'), 10), std::string(10, 'x') + "...");
}

}  // namespace
}  // namespace sylvester::io
