// Tensors of safetensors and GGUF files against the values of the formats' own Python libraries.
#include "sylvester/io/tensor_file.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "io/io_test_util.h"
#include "sylvester/core/parallel.h"
#include "sylvester/io/gguf.h"
#include "test_util.h"

namespace sylvester::io {
namespace {

using test::golden;
using test::read_golden;
using test::TemporaryFolder;

std::vector<float> all_values(const TensorFile& file, const TensorInfo& info) {
  std::int64_t n = 1;
  for (const auto dim : info.shape) n *= dim;
  std::vector<float> out(static_cast<std::size_t>(n));
  file.read_float32(info, out);
  return out;
}

// Compares the file's tensors, one after another, with one array of float32, bit for bit.
void expect_values(const TensorFile& file, std::vector<TensorInfo> tensors,
                   const std::vector<float>& expected) {
  std::size_t at = 0;
  for (const TensorInfo& info : tensors) {
    const auto got = all_values(file, info);
    ASSERT_LE(at + got.size(), expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      ASSERT_EQ(std::bit_cast<std::uint32_t>(got[i]),
                std::bit_cast<std::uint32_t>(expected[at + i]))
          << info.name << " (" << info.dtype << ") element " << i << ": got " << got[i]
          << ", expected " << expected[at + i];
    }
    at += got.size();
  }
  EXPECT_EQ(at, expected.size());
}

TEST(Gguf, EveryTypeDecodesToGgufPysBits) {
  const auto file = open_gguf(golden("files/types.gguf"));
  ASSERT_EQ(file->tensors().size(), 11u);
  EXPECT_EQ(file->tensors()[0].shape, (std::vector<std::int64_t>{2, 512}));
  test::for_each_target([&](Target) {
    expect_values(*file, file->tensors(), read_golden<float>("files/types.f32"));
  });
}

TEST(Gguf, MetadataKeepsItsTypes) {
  const auto file = open_gguf(golden("files/types.gguf"));
  EXPECT_EQ(file->get_uint("u8"), 200u);
  EXPECT_EQ(std::get<std::int64_t>(file->value("i8")), -100);
  EXPECT_EQ(file->get_uint("u16"), 60000u);
  EXPECT_EQ(std::get<std::int64_t>(file->value("i32")), -2000000000);
  EXPECT_EQ(file->get_uint("u64"), std::uint64_t{1} << 63);
  EXPECT_EQ(std::get<std::int64_t>(file->value("i64")), -(std::int64_t{1} << 62));
  EXPECT_EQ(file->get_double("f32"), 0.5);
  EXPECT_EQ(file->get_double("f64"), 0.1);
  EXPECT_TRUE(std::get<bool>(file->value("flag")));
  EXPECT_EQ(file->get_string("text"), "caf\xC3\xA9");
  EXPECT_EQ(file->get_ints("ints"), (std::vector<std::int64_t>{1, -2, 3}));
  EXPECT_EQ(file->get_strings("strings"), (std::vector<std::string>{"a", "", "b c"}));
  EXPECT_EQ(file->metadata().at("strings"), "[3 strings]");
  EXPECT_FALSE(file->has("absent"));
  test::expect_format_error([&] { file->get_uint("absent"); }, "types.gguf", 0, "absent",
                            "missing");
  test::expect_format_error([&] { file->get_string("u8"); }, "types.gguf", file->offset_of("u8"),
                            "u8", "is 200; want a string");
  test::expect_format_error([&] { file->get_uint("i8"); }, "types.gguf", -1, "i8",
                            "want an integer >= 0");
}

TEST(Safetensors, EveryTypeDecodesToTorchsBits) {
  const auto file = open_safetensors(golden("files/types.safetensors"));
  auto tensors = file->tensors();
  std::sort(tensors.begin(), tensors.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  expect_values(*file, tensors, read_golden<float>("files/types_st.f32"));
  EXPECT_EQ(file->metadata().at("made"), "by torch");
}

NamedBytes named(const std::string& name, const std::string& dtype, std::vector<std::int64_t> shape,
                 std::span<const std::byte> bytes) {
  return {name, dtype, std::move(shape), bytes};
}

TEST(Safetensors, WriteThenRead) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "a.safetensors";
  const std::vector<float> x = {1.5f, -2.0f, 0.0f, -0.0f, 3e38f, 1e-45f};
  const std::vector<std::uint8_t> codes = {0x21, 0x43, 0x65};
  const NamedBytes tensors[] = {
      named("x \"quoted\" \n", "F32", {2, 3}, std::as_bytes(std::span(x))),
      named("", "F4", {6}, std::as_bytes(std::span(codes))), named("empty", "BF16", {0, 7}, {}),
      named("scalar", "I8", {}, std::as_bytes(std::span(codes)).first(1))};
  write_safetensors(path, tensors, {{"format", "pt"}});
  const auto file = open_safetensors(path);
  ASSERT_EQ(file->tensors().size(), 4u);
  EXPECT_EQ(file->metadata().at("format"), "pt");
  expect_values(*file, {file->info("x \"quoted\" \n")}, x);
  // FP4 (e2m1) codes 1 2 3 4 5 6, low nibble first.
  expect_values(*file, {file->info("")}, {0.5f, 1.0f, 1.5f, 2.0f, 3.0f, 4.0f});
  EXPECT_EQ(file->info("empty").bytes, 0u);
  EXPECT_EQ(all_values(*file, file->info("scalar")), std::vector<float>{33.0f});
  EXPECT_TRUE(file->contains("scalar"));
  EXPECT_THROW(file->info("absent"), ValueError);
  // The data start at a multiple of 8.
  EXPECT_EQ(file->info("x \"quoted\" \n").offset % 8, 0u);
  // Saving over the file that is open must not disturb the reader.
  const auto before = test::read_text(path);
  write_safetensors(path, std::span(tensors).first(1));
  EXPECT_EQ(all_values(*file, file->info("scalar")), std::vector<float>{33.0f});
  EXPECT_NE(test::read_text(path), before);
}

TEST(Safetensors, WriterRefusesWhatTheReaderWould) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "a.safetensors";
  const std::vector<std::byte> four(4);
  const auto write = [&](const std::vector<NamedBytes>& tensors) {
    write_safetensors(path, tensors);
  };
  EXPECT_THROW(write({named("a", "F32", {2}, four)}), ValueError);
  EXPECT_THROW(write({named("a", "F5", {1}, four)}), ValueError);
  EXPECT_THROW(write({named("a", "Q4_0", {1}, four)}), ValueError);
  EXPECT_THROW(write({named("a", "F32", {-1}, four)}), ValueError);
  EXPECT_THROW(write({named("a", "F32", {1}, four), named("a", "F32", {1}, four)}), ValueError);
  EXPECT_THROW(write({named("__metadata__", "F32", {1}, four)}), ValueError);
  EXPECT_THROW(write({named("\xFF", "F32", {1}, four)}), ValueError);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(TensorFile, WrongBuffersAndTypes) {
  const TemporaryFolder folder;
  const std::vector<std::byte> eight(8);
  const NamedBytes tensors[] = {named("long", "I64", {1}, eight)};
  write_safetensors(folder.path() / "a.safetensors", tensors);
  const auto file = open_safetensors(folder.path() / "a.safetensors");
  std::vector<float> out(2);
  EXPECT_THROW(file->read_float32(file->info("long"), out), ShapeError);
  EXPECT_THROW(file->read_float32(file->info("long"), std::span(out).first(1)), UnsupportedError);
  std::vector<std::byte> raw(7);
  EXPECT_THROW(file->read_bytes(file->info("long"), raw), ShapeError);
}

// A tensor longer than one piece of the parallel reader: every element in its place, whatever the
// number of threads.
TEST(TensorFile, LargeTensorsReadInPieces) {
  const TemporaryFolder folder;
  std::vector<std::uint16_t> bits(200'001);
  for (std::size_t i = 0; i < bits.size(); ++i) {
    bits[i] = static_cast<std::uint16_t>(i * 40503u % 0x7F80u);  // finite bfloat16
  }
  const NamedBytes tensors[] = {named("x", "BF16", {200'001}, std::as_bytes(std::span(bits)))};
  write_safetensors(folder.path() / "a.safetensors", tensors);
  const auto file = open_safetensors(folder.path() / "a.safetensors");
  const int before = num_threads();
  for (const int threads : {1, 3}) {
    set_num_threads(threads);
    const auto got = all_values(*file, file->info("x"));
    for (std::size_t i = 0; i < got.size(); ++i) {
      ASSERT_EQ(std::bit_cast<std::uint32_t>(got[i]), std::uint32_t{bits[i]} << 16)
          << "element " << i << ", threads " << threads;
    }
  }
  set_num_threads(before);
}

TEST(TensorFile, FileCutWhileOpenIsAnIoError) {
  const TemporaryFolder folder;
  const std::vector<std::byte> data(4096);
  const NamedBytes tensors[] = {named("x", "U8", {4096}, data)};
  const auto path = folder.path() / "a.safetensors";
  write_safetensors(path, tensors);
  const auto file = open_safetensors(path);
  std::filesystem::resize_file(path, 1000);
  std::vector<float> out(4096);
  EXPECT_THROW(file->read_float32(file->info("x"), out), IoError);
}

TEST(ModelFolder, ShardsReadAsOneFile) {
  const TemporaryFolder folder;
  const std::vector<float> a = {1, 2}, b = {3, 4, 5}, c = {6};
  const NamedBytes first[] = {named("a", "F32", {2}, std::as_bytes(std::span(a)))};
  const NamedBytes second[] = {named("b", "F32", {3}, std::as_bytes(std::span(b))),
                               named("c", "F32", {1}, std::as_bytes(std::span(c)))};
  write_safetensors(folder.path() / "one.safetensors", first);
  write_safetensors(folder.path() / "two.safetensors", second);
  folder.write("model.safetensors.index.json",
               R"({"metadata":{"total_size":24},"weight_map":{"a":"one.safetensors",)"
               R"("b":"two.safetensors","c":"two.safetensors"}})");
  const auto file = open_model_tensors(folder.path());
  expect_values(*file, {file->info("c"), file->info("a"), file->info("b")}, {6, 1, 2, 3, 4, 5});
  EXPECT_THROW(open_model_tensors(folder.path() / "absent"), IoError);
  EXPECT_EQ(open_model_tensors(golden("files/types.gguf"))->tensors().size(), 11u);
}

}  // namespace
}  // namespace sylvester::io
