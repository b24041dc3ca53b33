// Files written by NumPy, our own files, and round trips.
#include "sylvester/io/npy.h"

#include <numeric>

#include "io/io_test_util.h"
#include "test_util.h"

namespace sylvester::io {
namespace {

using test::golden;
using test::TemporaryFolder;

TEST(Npy, ReadsNumpysFiles) {
  const char* names[] = {"f4_le", "f4_be",    "f8_le",      "f8_be",        "f2_le", "i1_le",
                         "i2_le", "i4_le",    "i8_le",      "u1_le",        "u2_be", "u8_be",
                         "b1",    "version2", "f4_fortran", "f8_be_fortran"};
  for (const std::string name : names) {
    SCOPED_TRACE(name);
    const NpyArray array = read_npy(golden("files/" + name + ".npy"));
    EXPECT_EQ(array.shape, (std::vector<std::int64_t>{2, 3, 4}));
    const auto values = array.to_float32();
    ASSERT_EQ(values.size(), 24u);
    for (int i = 0; i < 24; ++i) {
      const int want = name == "b1" ? i % 2 : name[0] == 'u' ? i : i - 3;
      EXPECT_EQ(values[static_cast<std::size_t>(i)], static_cast<float>(want)) << "index " << i;
    }
  }
  EXPECT_EQ(read_npy(golden("files/f8_be.npy")).as<double>()[0], -3.0);
  EXPECT_THROW(read_npy(golden("files/f8_be.npy")).as<float>(), ValueError);
}

TEST(Npz, ReadsNumpysArchives) {
  for (const std::string name : {"stored", "deflated"}) {
    SCOPED_TRACE(name);
    const auto arrays = read_npz(golden("files/" + name + ".npz"));
    ASSERT_EQ(arrays.size(), 3u);
    EXPECT_EQ(arrays[0].first, "x");
    EXPECT_EQ(arrays[0].second.to_float32()[23], 20.0f);
    EXPECT_EQ(arrays[1].first, "n");
    EXPECT_TRUE(arrays[1].second.shape.empty());
    EXPECT_EQ(arrays[1].second.as<std::int64_t>()[0], 5);
    EXPECT_EQ(arrays[2].second.shape, (std::vector<std::int64_t>{0, 3}));
  }
}

TEST(Npy, WritesWhatNumpyWrites) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "a.npy";
  for (const std::string name : {"f4_le", "i1_le", "f2_le", "i8_le"}) {
    write_npy(path, read_npy(golden("files/" + name + ".npy")));
    EXPECT_EQ(test::read_text(path), test::read_text(golden("files/" + name + ".npy"))) << name;
  }
}

TEST(Npz, WriteThenRead) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "a.npz";
  const std::vector<std::uint8_t> codes = {1, 2, 3, 255};
  const std::vector<float> scales = {0.5f};
  const NamedArray arrays[] = {{"codes", make_array<std::uint8_t>(codes, {2, 2})},
                               {"scales", make_array<float>(scales, {})}};
  write_npz(path, arrays);
  const std::string first = test::read_text(path);
  write_npz(path, arrays);
  EXPECT_EQ(test::read_text(path), first);  // no clock in the bytes
  const auto got = read_npz(path);
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[0].second.bytes, arrays[0].second.bytes);
  EXPECT_EQ(got[1].second.as<float>()[0], 0.5f);
  const NamedArray twice[] = {arrays[0], arrays[0]};
  EXPECT_THROW(write_npz(path, twice), ValueError);
  EXPECT_THROW(make_array<float>(scales, {2}), ShapeError);
}

TEST(Npy, WideIntegersMustBeExact) {
  const std::int64_t values[] = {1 << 24, (1 << 24) + 1};
  const NpyArray array = make_array<std::int64_t>(values, {2});
  EXPECT_THROW(array.to_float32(), ValueError);
  EXPECT_EQ(make_array<std::int64_t>(std::span(values).first(1), {1}).to_float32()[0], 0x1p24f);
  const std::uint64_t top[] = {~std::uint64_t{0}};
  EXPECT_THROW(make_array<std::uint64_t>(top, {1}).to_float32(), ValueError);
}

struct BadNpy {
  std::string header;
  std::string data;
  std::int64_t offset;
  std::string field;
  std::string says;
};

std::string npy_bytes(const std::string& header, const std::string& data) {
  return "\x93NUMPY" + std::string("\1\0", 2) + test::le(header.size(), 2) + header + data;
}

TEST(Npy, BadHeadersNameThePlace) {
  const TemporaryFolder folder;
  const std::string d16(16, '\0');
  const BadNpy cases[] = {
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }", d16 + "x", 69, "data",
       "17 bytes; shape and dtype need 16"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }", d16.substr(1), 69, "data",
       "15 bytes"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }", d16, 10,
       "shape", "does not fit 64 bits"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551616,), }", d16, 61,
       "shape", "does not fit 64 bits"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (-2, 2), }", d16, 61, "shape",
       "want integers >= 0"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (2.5, 2), }", d16, 62, "shape",
       "want integers >= 0, separated"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (4), }", d16, 63, "shape",
       "after the only dimension"},
      {"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", "x", 20, "descr",
       "dtype \"|O\""},
      {"{'descr': '|V4', 'fortran_order': False, 'shape': (4,), }", d16, 20, "descr", "dtype"},
      {"{'descr': '<c8', 'fortran_order': False, 'shape': (2,), }", d16, 20, "descr", "dtype"},
      {"{'descr': '<U4', 'fortran_order': False, 'shape': (1,), }", d16, 20, "descr", "dtype"},
      {"{'descr': 'f4', 'fortran_order': False, 'shape': (4,), }", d16, 20, "descr", "dtype"},
      {"{'descr': [('a','<f4')], 'fortran_order': False, 'shape': (4,), }", d16, 20, "descr",
       "struct dtype"},
      {"{'descr': __import__('os'), 'fortran_order': False, 'shape': (1,), }", d16, 20, "header",
       "want a quoted dtype"},
      {"{'descr': '<f4', 'shape': (2, 2), }", d16, 45, "fortran_order", "missing"},
      {"{'descr': '<f4', 'fortran_order': 0, 'shape': (4,), }", d16, 44, "fortran_order",
       "want True or False"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (4,), 'x': 1}", d16, 66, "x",
       "unknown key"},
      {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (4,)}", d16, 27, "descr",
       "duplicate key"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (4,)} + 1", d16, 66, "header",
       "text after"},
      {"{'descr': '<f4", d16, 20, "header", "string without end"},
      {"", "", 10, "header", "want '{'"},
  };
  for (const BadNpy& c : cases) {
    SCOPED_TRACE(c.header);
    const auto path = folder.write("a.npy", npy_bytes(c.header, c.data));
    test::expect_format_error([&] { read_npy(path); }, "a.npy", c.offset, c.field, c.says);
  }
}

TEST(Npz, DamagedArchives) {
  const TemporaryFolder folder;
  const std::string good = test::read_text(golden("files/deflated.npz"));
  const auto read = [&](const std::string& bytes, std::uint64_t cap = kMaxExpandedBytes) {
    return read_npz(folder.write("a.npz", bytes), cap);
  };
  EXPECT_EQ(read(good).size(), 3u);
  test::expect_format_error([&] { read(good, 100); }, "a.npz", 0, "x.npy", "want at most 100");
  test::expect_format_error([&] { read(good.substr(0, good.size() - 1)); }, "a.npz", -1,
                            "end record", "not a zip archive");
  test::expect_format_error([&] { read(""); }, "a.npz", -1, "end record", "not a zip archive");
  test::expect_format_error([&] { read(good + "x"); }, "a.npz", -1, "end record", "not a zip");
  // Every single-byte change is refused or leaves the arrays what they were.
  const auto whole = read(good);
  int refused = 0;
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x41);
    try {
      const auto arrays = read(bad);
      ASSERT_EQ(arrays.size(), whole.size()) << "byte " << i;
      for (std::size_t k = 0; k < whole.size(); ++k) {
        ASSERT_EQ(arrays[k].second.bytes, whole[k].second.bytes) << "byte " << i;
      }
    } catch (const FormatError&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 300);
}

}  // namespace
}  // namespace sylvester::io
