// The commands on arrays and models, against each other.
#include <cmath>

#include "spawn.h"
#include "sylvester/io/checkpoint.h"
#include "sylvester/io/json.h"
#include "sylvester/io/npy.h"

namespace sylvester::test {
namespace {

class Tools : public Program {
 protected:
  void array(const std::string& name, std::int64_t rows, std::int64_t cols) const {
    std::vector<float> x(static_cast<std::size_t>(rows * cols));
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::sin(static_cast<float>(i * i % 977));
    io::write_npy(folder_ / name, io::make_array(std::span<const float>(x), {rows, cols}));
  }
  void ok(const std::vector<std::string>& arguments) const {
    const Finished f = run(arguments);
    EXPECT_EQ(f.code, 0) << arguments[0] << ": " << f.err;
  }
};

TEST_F(Tools, HadamardAndItsInverseOnEitherAxis) {
  array("x.npy", 12, 40);
  for (const std::vector<std::string>& how :
       {std::vector<std::string>{}, {"--left"}, {"--block", "4"}, {"--signs", "3"}}) {
    std::vector<std::string> there = {"hadamard", "x.npy", "y.npy", "--force"};
    there.insert(there.end(), how.begin(), how.end());
    std::vector<std::string> back = {"hadamard", "y.npy", "z.npy", "--force", "--inverse"};
    back.insert(back.end(), how.begin(), how.end());
    ok(there);
    ok(back);
    // 2 transforms of at most 6 stages, values below 8: a few units of 2^-21.
    ok({"compare", "z.npy", "x.npy", "--tolerance", "abs:4e-6"});
    EXPECT_EQ(run({"compare", "y.npy", "x.npy"}).code, 1);
  }
  ok({"hadamard", "--check", "20"});
}

TEST_F(Tools, QuantizeWritesCodesScalesAndValues) {
  array("x.npy", 8, 64);
  ok({"quantize", "x.npy", "q.npz", "--format", "int8:row"});
  std::vector<std::string> names;
  for (const auto& [name, member] : io::read_npz(folder_ / "q.npz")) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"codes", "scales", "dequantized"}));
  const auto members = io::read_npz(folder_ / "q.npz");
  const auto codes = members[0].second.as<std::int8_t>();
  const auto scales = members[1].second.as<float>();
  const auto values = members[2].second.as<float>();
  ASSERT_EQ(codes.size(), 512u);
  ASSERT_EQ(scales.size(), 8u);
  for (std::size_t i = 0; i < codes.size(); ++i) {
    ASSERT_EQ(values[i], static_cast<float>(codes[i]) * scales[i / 64]) << i;
  }
  // Along the other axis: the same as of the transposed array.
  ok({"quantize", "x.npy", "cols.npz", "--format", "int8:row", "--axis", "0"});
  EXPECT_EQ(io::read_npz(folder_ / "cols.npz")[1].second.size(), 64);
  ok({"compare", "cols.npz:dequantized", "x.npy", "--tolerance", "abs:0.004"});
  ok({"quantize", "x.npy", "r.npz", "--format", "int4", "--rotate", "hadamard:block=32:signs=1"});
}

TEST_F(Tools, MatmulEqualsItsGolden) {
  ok({"golden", "matmul", "--out", "g", "--format", "float8_e4m3fn", "--accumulate", "sm90-wgmma",
      "--placement", "middle", "--rows", "16", "--cols", "64", "--out-features", "24"});
  io::verify_folder(folder_ / "g");
  ok({"matmul", "g/a.npy", "g/b.npy", "c.npy", "--format", "float8_e4m3fn", "--accumulate",
      "sm90-wgmma", "--placement", "middle"});
  ok({"compare", "c.npy", "g/c.npy"});
  const io::JsonValue golden = io::read_json(folder_ / "g" / "golden.json");
  EXPECT_EQ(golden.at("accumulate").as_string(), "sm90-wgmma");
}

TEST_F(Tools, ArraysWithoutElements) {
  array("none.npy", 0, 8);
  array("narrow.npy", 4, 0);
  array("b.npy", 5, 8);
  array("narrow_b.npy", 3, 0);
  for (const char* in : {"none.npy", "narrow.npy"}) {
    ok({"hadamard", in, "y.npy", "--force"});
    ok({"compare", "y.npy", in});
    for (const char* format : {"int8", "float8_e4m3fn:row", "int8:col", "mxfp8_e4m3"}) {
      if (std::string(format) == "mxfp8_e4m3" && std::string(in) == "none.npy") continue;
      ok({"quantize", in, "q.npz", "--format", format, "--rotate", "hadamard", "--force"});
      ok({"compare", "q.npz:dequantized", in});
    }
  }
  for (const char* policy : {"blas", "exact", "ordered", "sm90-cublaslt"}) {
    ok({"matmul", "none.npy", "b.npy", "c.npy", "--format", "float8_e4m3fn", "--accumulate", policy,
        "--force"});
    EXPECT_EQ(io::read_npy(folder_ / "c.npy").shape, (std::vector<std::int64_t>{0, 5}));
    ok({"matmul", "narrow.npy", "narrow_b.npy", "c.npy", "--format", "float8_e4m3fn",
        "--accumulate", policy, "--force"});
    const io::NpyArray sum_of_nothing = io::read_npy(folder_ / "c.npy");
    EXPECT_EQ(sum_of_nothing.shape, (std::vector<std::int64_t>{4, 3}));
    for (const float x : sum_of_nothing.as<float>()) EXPECT_EQ(x, 0.0f) << policy;
  }
}

TEST_F(Tools, EveryGoldenOpWritesAVerifiedFolder) {
  for (const char* op : {"encode", "decode", "quantize", "hadamard", "matmul", "halo-linear"}) {
    SCOPED_TRACE(op);
    ok({"golden", op, "--out", op, "--rows", "16", "--cols", "32", "--out-features", "8"});
    io::verify_folder(folder_ / op);
  }
  ok({"golden", "encode", "--out", "again", "--rows", "16", "--cols", "32", "--target", "scalar"});
  ok({"compare", "again/codes.npy", "encode/codes.npy", "--format", "float8_e4m3fn"});
}

TEST_F(Tools, QuantizedModelFolderIsAModel) {
  ok({"quantize", source("examples/models/tiny-sql"), "q", "--format", "int8:row"});
  const Finished f =
      run({"generate", "--model", "q", "--threads", "1", "--prompt",
           "Table packages(name, section, priority, arch, lang, interface, size_kib, "
           "installed_kib, depends).\nQuestion: How many packages are there of "
           "architecture all?\nSQL:"});
  EXPECT_EQ(f.code, 0) << f.err;
  EXPECT_EQ(f.out, " SELECT COUNT(*) FROM packages WHERE arch = 'all'\n");
}

TEST_F(Tools, AnalyzeReportsEveryRecipeAndLayer) {
  ok({"analyze", "--model", "tiny-sql", "--data", source("examples/data/debian_sql/valid.jsonl"),
      "--recipe", "bf16,halo0-int8,halo2-int8", "--tokens", "256", "--threads", "1", "--out", "a"});
  const io::JsonValue json = io::read_json(folder_ / "a" / "analyze.json");
  EXPECT_EQ(json.at("tokens").as_int(), 255) << "the first of 256 has nothing to predict it";
  const auto recipes = json.at("recipes").items();
  ASSERT_EQ(recipes.size(), 3u);
  EXPECT_GT(recipes[0].at("gradient_cosine").as_double(), 0.999);
  EXPECT_GT(recipes[2].at("gradient_cosine").as_double(),
            recipes[1].at("gradient_cosine").as_double());
  EXPECT_EQ(recipes[0].at("layers").size(), 28);
}

TEST_F(Tools, FormatsDoctorInspectValidateHelp) {
  EXPECT_NE(run({"formats"}).out.find("float8_e4m3fn"), std::string::npos);
  EXPECT_NE(run({"formats", "e2m1", "--check", "2.5"}).out.find("2"), std::string::npos);
  const Finished table = run({"formats", "int4", "--table", "--json"});
  EXPECT_EQ(io::parse_json(table.out, "stdout").size(), 16);
  const Finished e5m2 = run({"formats", "e5m2", "--table", "--json"});
  const auto codes = io::parse_json(e5m2.out, "stdout").items();
  ASSERT_EQ(codes.size(), 256u);
  EXPECT_EQ(codes[0x7C].at("class").as_string(), "infinity");
  EXPECT_EQ(codes[0x83].at("class").as_string(), "subnormal");
  EXPECT_EQ(codes[0x83].at("bits").as_string(), "1 00000 11");
  const Finished doctor = run({"doctor", "--json"});
  EXPECT_EQ(doctor.code, 0) << doctor.out;
  EXPECT_TRUE(io::parse_json(doctor.out, "stdout").at("healthy").as_bool());
  EXPECT_NE(run({"inspect", "tiny-sql"}).out.find("model.embed_tokens.weight"), std::string::npos);
  EXPECT_EQ(run({"validate", source("examples/models/tiny-sql")}).code, 0);
  put("bad.safetensors", "12345678");
  EXPECT_EQ(run({"validate", "bad.safetensors"}).code, 3);
  for (const char* command :
       {"train", "eval", "generate", "analyze", "quantize", "hadamard", "matmul", "compare",
        "golden", "formats", "inspect", "validate", "doctor"}) {
    const Finished help = run({command, "--help"});
    EXPECT_EQ(help.code, 0) << command;
    EXPECT_NE(help.out.find("--config"), std::string::npos) << command;
  }
  EXPECT_EQ(run({"--version"}).out.substr(0, 10), "sylvester ");
}

TEST_F(Tools, DryRunWritesNothingAndEstimates) {
  array("x.npy", 16, 64);
  const auto before = listing();
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
           {"quantize", "x.npy", "q.npz", "--format", "int8"},
           {"hadamard", "x.npy", "y.npy"},
           {"hadamard", "--check", "12"},
           {"matmul", "x.npy", "x.npy", "c.npy", "--format", "int8"},
           {"compare", "x.npy", "x.npy"},
           {"golden", "encode", "--out", "g"},
           {"formats"},
           {"inspect", "x.npy"},
           {"validate", "x.npy"},
           {"doctor"}}) {
    SCOPED_TRACE(command[0]);
    std::vector<std::string> dry = command;
    dry.insert(dry.end(), {"--dry-run", "--json"});
    const Finished f = run(dry);
    EXPECT_EQ(f.code, 0) << f.err;
    const io::JsonValue plan = io::parse_json(f.out, "stdout");
    EXPECT_EQ(plan.at("command").as_string(), command[0]);
    EXPECT_TRUE(plan.at("options").is_object());
    EXPECT_TRUE(listing() == before);
  }
  const Finished text = run({"matmul", "x.npy", "x.npy", "c.npy", "--format", "int8", "--dry-run"});
  EXPECT_NE(text.out.find("memory, about"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("GFLOP"), std::string::npos) << text.out;
  EXPECT_EQ(run({"hadamard", "none.npy", "y.npy", "--dry-run"}).code, 4);
}

TEST_F(Tools, ResultsAsJson) {
  array("x.npy", 12, 40);
  const auto json = [&](const std::vector<std::string>& command) {
    std::vector<std::string> words = command;
    words.emplace_back("--json");
    const Finished f = run(words);
    EXPECT_EQ(f.code, 0) << command[0] << ": " << f.err;
    return io::parse_json(f.out, "stdout");
  };
  EXPECT_EQ(json({"hadamard", "x.npy", "y.npy"}).at("base").as_int(), 40);
  EXPECT_TRUE(json({"hadamard", "--check", "20"}).at("holds").as_bool());
  EXPECT_EQ(json({"matmul", "x.npy", "x.npy", "c.npy", "--format", "e4m3"}).at("terms").as_int(),
            40);
  const io::JsonValue golden = json({"golden", "decode", "--format", "e2m1", "--out", "g"});
  EXPECT_EQ(golden.at("arrays").size(), 2);
  EXPECT_EQ(json({"inspect", "x.npy"}).at("tensors").items()[0].at("dtype").as_string(), "f4");
  const io::JsonValue model = json({"inspect", "tiny-sql", "--max-tensors", "3"});
  EXPECT_EQ(model.at("tensors").size(), 3);
  EXPECT_GT(model.at("count").as_int(), 3);
  EXPECT_TRUE(model.at("config").contains("hidden_size"));
  EXPECT_EQ(json({"doctor"}).at("libraries").items().back().at("name").as_string(), "OpenMP");
  EXPECT_EQ(json({"formats", "bf16", "--check", "inf"}).at("code").as_int(), 0x7F80);
}

TEST_F(Tools, Float64ArraysStayFloat64) {
  std::vector<double> x(64);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = 1.0 + std::ldexp(static_cast<double>(i), -40);
  io::write_npy(folder_ / "x.npy", io::make_array(std::span<const double>(x), {2, 32}));
  ok({"hadamard", "x.npy", "y.npy"});
  ok({"hadamard", "y.npy", "z.npy", "--inverse"});
  ok({"compare", "z.npy", "x.npy", "--tolerance", "abs:1e-14"});
}

TEST_F(Tools, NamesOfAnArchiveAreChosen) {
  std::vector<float> x(64, 1.5f);
  const io::NpyArray array = io::make_array(std::span<const float>(x), {2, 32});
  io::write_npz(folder_ / "x.npz", std::vector<io::NamedArray>{{"a", array}, {"b", array}});
  ok({"quantize", "x.npz", "q.npz", "--format", "int8", "--exclude", "b"});
  std::vector<std::string> names;
  for (const auto& [name, member] : io::read_npz(folder_ / "q.npz")) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"a.codes", "a.scales", "a.dequantized", "b"}));
  EXPECT_EQ(run({"quantize", "x.npz", "r.npz", "--format", "int8", "--include", "c"}).code, 2);
}

TEST_F(Tools, DryRunShowsWhereEachValueComesFrom) {
  put("c.json", "{\"learning_rate\": 0.25, \"max_steps\": 7, \"seed\": 3}");
  const Finished f =
      run({"train", "--model", "tiny-sql", "--data", source("examples/data/debian_sql/valid.jsonl"),
           "--config", "c.json", "--set", "seed=4", "--set", "max-steps=8", "--max_steps", "9",
           "--dry-run"});
  EXPECT_EQ(f.code, 0) << f.err;
  const auto line = [&](const std::string& name) {
    const std::size_t at = f.out.find("\n" + name + " ");
    return f.out.substr(at + 1, f.out.find('\n', at + 1) - at - 1);
  };
  EXPECT_TRUE(line("learning-rate").ends_with("c.json")) << line("learning-rate");
  EXPECT_TRUE(line("seed").ends_with("--set")) << line("seed");
  EXPECT_TRUE(line("max-steps").ends_with("command line")) << line("max-steps");
  EXPECT_TRUE(line("recipe").ends_with("default")) << line("recipe");
  EXPECT_TRUE(listing() == std::vector<std::string>{"c.json"}) << "a dry run writes nothing";
}

}  // namespace
}  // namespace sylvester::test
