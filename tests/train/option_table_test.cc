#include "sylvester/train/option_table.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "sylvester/core/error.h"

namespace sylvester {
namespace {

struct Fields {
  std::int64_t steps = 3;
  double rate = 0.5;
  std::string name = "a";
  std::string kind = "x";
  bool flag = false;
};

OptionTable table_of(Fields& f) {
  OptionTable t;
  t.add("max-steps", "N", "", f.steps, {-1, 100});
  t.add("learning-rate", "X", "", f.rate, {0.0, 10.0, true});
  t.add("name", "S", "", f.name);
  t.add_choice("kind", "", f.kind, {"x", "yellow"});
  t.add_flag("pretrain", "", f.flag);
  return t;
}

std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(OptionTable, SetsWithEitherSpelling) {
  Fields f;
  OptionTable t = table_of(f);
  t.set("max_steps", "7", "command line");
  t.set("learning-rate", "2e-4", "command line");
  t.set("pretrain", "true", "--set");
  t.set_pair("name=b=c", "--set");
  EXPECT_EQ(f.steps, 7);
  EXPECT_EQ(f.rate, 2e-4);
  EXPECT_TRUE(f.flag);
  EXPECT_EQ(f.name, "b=c");
  EXPECT_EQ(t.find("name")->origin, "--set");
  EXPECT_TRUE(t.is_set("max_steps"));
  EXPECT_FALSE(t.is_set("kind"));
}

TEST(OptionTable, NumbersAreParsedWhole) {
  Fields f;
  OptionTable t = table_of(f);
  for (const char* bad :
       {"", "abc", "12abc", " 1", "1 ", "1.0", "1e2", "0x1", "101", "-2", "99999999999999999999"}) {
    EXPECT_THROW(t.set("max-steps", bad, "x"), ValueError) << '"' << bad << '"';
  }
  for (const char* bad : {"", "abc", "1x", "nan", "inf", "1e999", "0", "-1", "11"}) {
    EXPECT_THROW(t.set("learning-rate", bad, "x"), ValueError) << '"' << bad << '"';
  }
  EXPECT_EQ(f.steps, 3) << "a refused value leaves the field alone";
  EXPECT_EQ(f.rate, 0.5);
}

TEST(OptionTable, MessagesNameOptionValueAndWhatIsAllowed) {
  Fields f;
  OptionTable t = table_of(f);
  EXPECT_EQ(error_of([&] { t.set("max-steps", "200", "command line"); }),
            "option max-steps '200': want a number >= -1 and <= 100");
  EXPECT_EQ(error_of([&] { t.set("learning_rate", "0", "command line"); }),
            "option learning-rate '0': want a number > 0 and <= 10");
  EXPECT_EQ(error_of([&] { t.set("learning-rat", "1", "command line"); }),
            "unknown option 'learning-rat'; did you mean 'learning-rate'?");
  EXPECT_EQ(error_of([&] { t.set("kind", "yelow", "--set"); }),
            "--set: option kind 'yelow': want one of x|yellow; did you mean 'yellow'?");
  EXPECT_EQ(error_of([&] { t.set("pretrain", "1", "command line"); }),
            "option pretrain '1': want true or false");
  EXPECT_EQ(error_of([&] { t.set_pair("oops", "--set"); }), "--set 'oops': want KEY=VALUE");
}

TEST(OptionTable, FilesSetAndJsonRoundTrips) {
  namespace fs = std::filesystem;
  const fs::path path =
      fs::temp_directory_path() / ("sylvester_options_" + std::to_string(::getpid()));
  Fields f;
  OptionTable t = table_of(f);
  std::ofstream(path) << R"({"max_steps": 9, "learning_rate": 1, "pretrain": true, "name": "n"})";
  t.set_from_file(path.string());
  EXPECT_EQ(f.steps, 9);
  EXPECT_EQ(f.rate, 1.0);
  EXPECT_TRUE(f.flag);
  EXPECT_EQ(t.find("name")->origin, path.string());

  std::ofstream(path) << t.to_json();
  Fields g;
  table_of(g).set_from_file(path.string());
  EXPECT_EQ(g.steps, 9);
  EXPECT_EQ(g.name, "n");

  std::ofstream(path) << R"({"max_stepz": 9})";
  EXPECT_NE(error_of([&] { t.set_from_file(path.string()); }).find("did you mean 'max-steps'?"),
            std::string::npos);
  std::ofstream(path) << R"({"max_steps": [9]})";
  EXPECT_THROW(t.set_from_file(path.string()), FormatError);
  std::ofstream(path) << R"({"max_steps": 1, "max_steps": 2})";
  EXPECT_THROW(t.set_from_file(path.string()), FormatError);
  fs::remove(path);
  EXPECT_THROW(t.set_from_file(path.string()), IoError);
}

TEST(OptionTable, SeedsFill64Bits) {
  std::uint64_t seed = 0;
  OptionTable table;
  table.add("seed", "N", "", seed);
  table.set("seed", "18446744073709551615", "test");
  EXPECT_EQ(seed, ~std::uint64_t{0});
  for (const char* text : {"-1", "18446744073709551616", "1.0", "0x1", ""}) {
    EXPECT_THROW(table.set("seed", text, "test"), ValueError) << text;
  }
  EXPECT_EQ(seed, ~std::uint64_t{0});
}

}  // namespace
}  // namespace sylvester
