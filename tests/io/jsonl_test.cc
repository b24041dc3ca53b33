#include "sylvester/io/jsonl.h"

#include "io/io_test_util.h"
#include "sylvester/io/limits.h"

namespace sylvester::io {
namespace {

using test::TemporaryFolder;

TEST(Jsonl, ReadsTheThreeForms) {
  const TemporaryFolder folder;
  // CRLF, a blank line, an unknown key, no newline at the end.
  const auto path =
      folder.write("d.jsonl",
                   "{\"prompt\":\"p\",\"completion\":\"c\",\"id\":9007199254740993}\r\n"
                   "  \t\n"
                   "{\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\","
                   "\"content\":\"a\\u0000\"}]}\n"
                   "{\"text\":\"t\xC3\xA9\"}");
  JsonlReport report;
  const auto examples = read_jsonl(path, {.report = &report});
  ASSERT_EQ(examples.size(), 3u);
  EXPECT_EQ(examples[0].prompt, "p");
  EXPECT_EQ(examples[0].completion, "c");
  EXPECT_EQ(examples[0].line, 1);
  ASSERT_EQ(examples[1].messages.size(), 2u);
  EXPECT_EQ(examples[1].messages[1].content, std::string("a\0", 2));
  EXPECT_EQ(examples[1].line, 3);
  EXPECT_EQ(examples[2].text, "t\xC3\xA9");
  EXPECT_EQ(report.lines, 4);
  EXPECT_EQ(report.blank_lines, 1);
  EXPECT_EQ(read_jsonl(path, {.limit = 1}).size(), 1u);
  EXPECT_TRUE(read_jsonl(path, {.limit = 0}).empty());
}

struct BadLine {
  std::string text;
  std::int64_t line;
  std::string field;
  std::string says;
};

TEST(Jsonl, BadLinesNameLineColumnAndField) {
  const TemporaryFolder folder;
  const std::string good = "{\"text\":\"x\"}\n";
  const BadLine cases[] = {
      {"", 0, "", "no examples in 0 lines"},
      {"\n \r\n", 2, "", "no examples in 2 lines"},
      {good + "{\"text\":\"\xFF\"}\n", 2, "", "ill-formed UTF-8"},
      {"\xEF\xBB\xBF" + good, 1, "", "byte-order mark"},
      {good + good + "{\"prompt\":\"p\"}\n", 3, "completion", "missing"},
      {good + "{\"text\":3}\n", 2, "text", "is an integer; want a string (column 10)"},
      {good + "{\"prompt\":null,\"completion\":\"c\"}\n", 2, "prompt", "is null; want a string"},
      {good + "{\"text\":\"x", 2, "", "missing closing quote"},  // cut last line
      {good + "{\"text\":\"x\",\"text\":\"y\"}\n", 2, "text", "duplicate key, first at 7"},
      {good + std::string("{\"text\":\"a\0b\"}\n", 15), 2, "", "control character"},
      {good + "{\"text\":NaN}\n", 2, "", "invalid literal"},
      {good + "[\"text\"]\n", 2, "", "want a JSON object"},
      {good + "{\"texts\":\"x\"}\n", 2, "", "no \"prompt\" and \"completion\""},
      {good + "{\"text\":\"x\",\"prompt\":\"p\",\"completion\":\"c\"}\n", 2, "", "more than one"},
      {good + "{\"messages\":[]}\n", 2, "messages", "is empty"},
      {good + "{\"messages\":[{\"role\":\"user\"}]}\n", 2, "messages[0].content", "missing"},
      {good + "{\"messages\":[{\"role\":1,\"content\":\"\"}]}\n", 2, "messages[0].role",
       "want a string"},
      {good + "{\"text\":\"" + std::string(kMaxLineBytes, 'x') + "\"}\n" + good, 2, "",
       "line longer than"},
      {good + "{\"text\":\"x\",\"n\":18446744073709551616}\n", 2, "n", "does not fit 64 bits"},
  };
  for (const BadLine& c : cases) {
    SCOPED_TRACE(c.text.substr(0, 80));
    const auto path = folder.write("d.jsonl", c.text);
    test::expect_format_error([&] { read_jsonl(path); }, "d.jsonl", c.line, c.field, c.says);
  }
}

TEST(Jsonl, BadLinesCanBeSkipped) {
  const TemporaryFolder folder;
  const auto path = folder.write("d.jsonl", "{\"text\":\"a\"}\nx\n{\"text\":\"b\"}\n{}\n");
  JsonlReport report;
  EXPECT_EQ(read_jsonl(path, {.max_bad_lines = 2, .report = &report}).size(), 2u);
  ASSERT_EQ(report.bad_lines.size(), 2u);
  EXPECT_NE(report.bad_lines[1].find("at 4"), std::string::npos) << report.bad_lines[1];
  test::expect_format_error([&] { read_jsonl(path, {.max_bad_lines = 1}); }, "d.jsonl", 4, "",
                            "no \"prompt\"");
  EXPECT_THROW(read_jsonl(folder.path() / "absent"), IoError);
  EXPECT_THROW(read_jsonl(folder.path()), IoError);
}

}  // namespace
}  // namespace sylvester::io
