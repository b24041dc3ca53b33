#include "sylvester/train/metrics.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#include "sylvester/core/error.h"

namespace sylvester {
namespace {
namespace fs = std::filesystem;

class MetricsFile : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = fs::temp_directory_path() / ("sylvester_metrics_" + std::to_string(::getpid()));
    fs::remove(path_);
  }
  void TearDown() override { fs::remove(path_); }
  std::string content() const {
    std::ifstream in(path_);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }
  void put(const std::string& text) const { std::ofstream(path_) << text; }
  fs::path path_;
};

MetricsRow row(std::int64_t step, double loss) {
  MetricsRow r;
  r.step = step;
  r.loss = loss;
  return r;
}

TEST_F(MetricsFile, WritesTheHeaderOnceAndRowsInOrder) {
  MetricsWriter(path_).append(row(1, 2.5));
  MetricsWriter(path_).append(row(2, 2.25));
  EXPECT_EQ(content(),
            "{\"format\":\"sylvester-metrics\",\"version\":1}\n"
            "{\"step\":1,\"split\":\"train\",\"loss\":2.5}\n"
            "{\"step\":2,\"split\":\"train\",\"loss\":2.25}\n");
}

TEST_F(MetricsFile, NonFiniteNumbersAreStringsAndComeBack) {
  MetricsRow r = row(1, std::numeric_limits<double>::quiet_NaN());
  r.grad_norm = std::numeric_limits<double>::infinity();
  r.learning_rate = -std::numeric_limits<double>::infinity();
  r.saturated = 2e-4;
  r.tokens = 409600;
  EXPECT_EQ(to_json(r),
            "{\"step\":1,\"split\":\"train\",\"loss\":\"NaN\",\"learning_rate\":\"-Infinity\","
            "\"grad_norm\":\"Infinity\",\"tokens\":409600,\"saturated\":2e-04}");
  const MetricsRow back = parse_metrics_row(to_json(r), "f", 2);
  EXPECT_TRUE(std::isnan(*back.loss));
  EXPECT_EQ(*back.grad_norm, std::numeric_limits<double>::infinity());
  EXPECT_EQ(*back.tokens, 409600);
  EXPECT_FALSE(back.wall_s.has_value());
}

TEST_F(MetricsFile, AnUnfinishedLineIsRemovedAndCompleteOnesStay) {
  MetricsWriter(path_).append(row(1, 1.0));
  const std::string good = content();
  put(good + "{\"step\":2,\"spl");
  EXPECT_EQ(read_metrics(path_).size(), 1u);
  MetricsWriter(path_).append(row(2, 0.5));
  EXPECT_EQ(content(), good + "{\"step\":2,\"split\":\"train\",\"loss\":0.5}\n");
}

TEST_F(MetricsFile, LaterRowsReplaceEarlierOnesOfTheSameStepAndSplit) {
  MetricsWriter writer(path_);
  writer.append(row(1, 1.0));
  writer.append(row(2, 2.0));
  MetricsRow eval = row(2, 7.0);
  eval.split = "eval";
  writer.append(eval);
  writer.append(row(2, 3.0));
  const auto rows = read_metrics(path_);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(*rows[1].loss, 7.0);
  EXPECT_EQ(*rows[2].loss, 3.0);
}

TEST_F(MetricsFile, RefusesOtherFilesAndNewerVersions) {
  put("{\"a\":1}\n");
  EXPECT_THROW(read_metrics(path_), FormatError);
  put("{\"format\":\"sylvester-metrics\",\"version\":2}\n");
  EXPECT_THROW(read_metrics(path_), FormatError);
  put("{\"format\":\"sylvester-metrics\",\"version\":1}\n{\"step\":\"x\",\"split\":\"train\"}\n");
  EXPECT_THROW(read_metrics(path_), FormatError);
  EXPECT_THROW(read_metrics(path_ / "none"), IoError);
}

}  // namespace
}  // namespace sylvester
