// Emulated tensor cores against words recorded on an H100 (tests/golden/tensor_core) and, where the
// folder is given, against rows that others measured on eight GPUs.
#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "sylvester/core/parallel.h"
#include "sylvester/formats/convert.h"
#include "sylvester/gemm/matmul.h"
#include "test_util.h"

namespace sylvester {
namespace {

struct GoldenSet {
  std::string name;
  std::map<std::string, std::string> fields;
  std::int64_t number(const std::string& key) const {
    const auto found = fields.find(key);
    return found == fields.end() ? -1 : std::stoll(found->second);
  }
};

std::vector<GoldenSet> read_index() {
  std::ifstream file(test::golden("tensor_core/golden.txt"));
  EXPECT_TRUE(file.good());
  std::vector<GoldenSet> sets;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    GoldenSet set;
    words >> set.name;
    for (std::string word; words >> word;) {
      const std::size_t equals = word.find('=');
      if (equals != std::string::npos) set.fields[word.substr(0, equals)] = word.substr(equals + 1);
    }
    sets.push_back(set);
  }
  return sets;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// "wgmma.m64n8k32.e4m3.e5m2" -> the formats of A and B.
std::pair<DType, DType> formats_of(const std::string& name) {
  const std::map<std::string, DType> known{{"bf16", DType::kBFloat16},
                                           {"f16", DType::kFloat16},
                                           {"e4m3", DType::kFloat8E4M3FN},
                                           {"e5m2", DType::kFloat8E5M2},
                                           {"s8", DType::kInt8}};
  std::vector<DType> found;
  std::istringstream parts(name);
  for (std::string part; std::getline(parts, part, '.');) {
    const auto hit = known.find(part);
    if (hit != known.end()) found.push_back(hit->second);
  }
  if (found.empty()) return {DType::kFloat64, DType::kFloat64};
  const bool mixed = found.size() > 1 && !has(name, "cublasLt");  // there it is the output
  return {found[0], mixed ? found[1] : found[0]};
}

std::string policy_of(const std::string& name) {
  if (has(name, "cublasLt.bf16")) return "sm90-wgmma";
  if (has(name, "cublasLt")) return has(name, "fast1") ? "sm90-cublaslt-fast" : "sm90-cublaslt";
  return name.substr(0, name.find('.')) == "mma" ? "sm90-mma" : "sm90-wgmma";
}

bool same_word(std::uint32_t got, std::uint32_t want) {
  return got == want || ((got | want) & 0x7FFFFFFFu) == 0;  // zeros of either sign
}

// One tile of a set: codes, the start words (or null) and where the results go.
struct Tile {
  const char* A;
  const char* B;
  const char* C;
  std::int64_t M, N, K;
  DType a, b;
};

std::vector<std::uint32_t> run_tile(const Tile& t, const Accumulation& policy) {
  const auto count = static_cast<std::size_t>(t.M * t.N);
  std::vector<std::uint32_t> words(count);
  if (t.a == DType::kInt8) {
    std::vector<std::int32_t> c(count), d(count);
    if (t.C != nullptr) std::memcpy(c.data(), t.C, count * 4);
    matmul_codes(MatrixView<const std::int8_t>(reinterpret_cast<const std::int8_t*>(t.A), t.M, t.K),
                 MatrixView<const std::int8_t>(reinterpret_cast<const std::int8_t*>(t.B), t.N, t.K),
                 MatrixView<const std::int32_t>(c.data(), t.M, t.N),
                 MatrixView<std::int32_t>(d.data(), t.M, t.N));
    std::memcpy(words.data(), d.data(), count * 4);
    return words;
  }
  std::vector<float> c(count), d(count);
  MatrixView<const float> start;
  if (t.C != nullptr) {
    std::memcpy(c.data(), t.C, count * 4);
    start = MatrixView<const float>(c.data(), t.M, t.N);
  }
  const MatrixView<float> out(d.data(), t.M, t.N);
  if (storage_bytes(t.a) == 1) {
    matmul_codes(
        MatrixView<const std::uint8_t>(reinterpret_cast<const std::uint8_t*>(t.A), t.M, t.K), t.a,
        MatrixView<const std::uint8_t>(reinterpret_cast<const std::uint8_t*>(t.B), t.N, t.K), t.b,
        policy, start, out);
  } else {
    std::vector<std::uint16_t> a(static_cast<std::size_t>(t.M * t.K));
    std::vector<std::uint16_t> b(static_cast<std::size_t>(t.N * t.K));
    std::memcpy(a.data(), t.A, a.size() * 2);
    std::memcpy(b.data(), t.B, b.size() * 2);
    matmul_codes(MatrixView<const std::uint16_t>(a.data(), t.M, t.K), t.a,
                 MatrixView<const std::uint16_t>(b.data(), t.N, t.K), t.b, policy, start, out);
  }
  std::memcpy(words.data(), d.data(), count * 4);
  return words;
}

// The recorded word of output (i, j).
std::uint32_t golden_word(const char* D, const GoldenSet& set, std::int64_t i, std::int64_t j,
                          std::int64_t N) {
  const bool column_major = has(set.name, "cublasLt");
  const std::int64_t index = column_major ? j * 16 + i : i * N + j;
  if (set.number("out_bytes") == 2) {
    std::uint16_t word = 0;
    std::memcpy(&word, D + index * 2, 2);
    return word;
  }
  std::uint32_t word = 0;
  std::memcpy(&word, D + index * 4, 4);
  return word;
}

void check_set(const GoldenSet& set, const std::vector<char>& data, std::int64_t& words) {
  const auto [a, b] = formats_of(set.name);
  ASSERT_NE(a, DType::kFloat64) << set.name;
  const bool library = has(set.name, "cublasLt");
  const std::int64_t M = set.number(library ? "rows" : "M"), N = set.number(library ? "cols" : "N");
  const std::int64_t K = set.number("K"), bytes = set.number("elem_bytes");
  const Accumulation policy = parse_accumulation(policy_of(set.name));
  const std::int64_t out_bytes = set.number("out_bytes") == 2 ? 2 : 4;
  std::int64_t bad = 0;
  for (std::int64_t tile = 0; tile < std::max<std::int64_t>(1, set.number("tiles")); ++tile) {
    const Tile t{data.data() + set.number("A_off") + tile * M * K * bytes,
                 data.data() + set.number("B_off") + tile * N * K * bytes,
                 library ? nullptr : data.data() + set.number("C_off") + tile * M * N * 4,
                 M,
                 N,
                 K,
                 a,
                 b};
    const char* D = data.data() + set.number("D_off") + tile * M * N * out_bytes;
    const std::vector<std::uint32_t> got = run_tile(t, policy);
    for (std::int64_t i = 0; i < M * N; ++i) {
      const std::uint32_t want = golden_word(D, set, i / N, i % N, N);
      std::uint32_t word = got[static_cast<std::size_t>(i)];
      if (out_bytes == 2) {
        word = encode_one(std::bit_cast<float>(word), DType::kBFloat16, kIeeeEncode);
      }
      ++words;
      if (a == DType::kInt8 ? word == want : same_word(word, want)) continue;
      if (++bad <= 3) {
        ADD_FAILURE() << set.name << " dist " << set.fields.at("dist") << " tile " << tile << " ("
                      << i / N << ", " << i % N << "): got " << std::hex << word << " expected "
                      << want;
      }
    }
  }
  EXPECT_EQ(bad, 0) << set.name << " mismatching words";
}

TEST(TensorCore, EveryRecordedWordOfTheH100) {
  const std::vector<char> data = test::read_golden<char>("tensor_core/golden.bin");
  const std::vector<GoldenSet> sets = read_index();
  ASSERT_GE(sets.size(), 50u);
  test::for_each_target([&](Target) {
    std::int64_t words = 0;
    for (const GoldenSet& set : sets) check_set(set, data, words);
    EXPECT_GT(words, 90000) << "words compared";
  });
}

#ifdef SYLVESTER_TENSOR_CORE_ROWS

struct RowSet {
  std::string gpu, format;
  std::int64_t rows, K, offset;
};

std::vector<RowSet> read_row_index(const std::filesystem::path& folder) {
  std::ifstream file(folder / "rows.txt");
  std::vector<RowSet> sets;
  for (RowSet s; file >> s.gpu >> s.format;) {
    std::string rows, K, offset;
    file >> rows >> K >> offset;
    s.rows = std::stoll(rows.substr(rows.find('=') + 1));
    s.K = std::stoll(K.substr(K.find('=') + 1));
    s.offset = std::stoll(offset.substr(offset.find('=') + 1));
    sets.push_back(s);
  }
  return sets;
}

std::string row_policy(const RowSet& s) {
  const bool fp8 = s.format[0] == 'E';
  if (s.gpu == "V100") return "sm70-mma";
  if (s.gpu == "A100" || s.gpu == "A2") return "sm80-mma";
  if (s.gpu == "Ada" || s.gpu == "L40S") return "sm89-mma";
  if (s.gpu == "B200") return "sm100-mma";
  return fp8 ? "sm90-wgmma" : "sm90-mma";
}

// One row as an M = N = 1 product.
float row_product(const RowSet& s, const float* a, const float* b, float c) {
  const Accumulation policy = parse_accumulation(row_policy(s));
  float d = 0;
  const MatrixView<const float> start(&c, 1, 1);
  const MatrixView<float> out(&d, 1, 1);
  const auto K = static_cast<std::size_t>(s.K);
  const DType dtype = s.format == "fp16"   ? DType::kFloat16
                      : s.format == "bf16" ? DType::kBFloat16
                      : s.format == "tf32" ? DType::kFloat32
                      : s.format == "E4M3" ? DType::kFloat8E4M3FN
                                           : DType::kFloat8E5M2;
  if (dtype == DType::kFloat32) {
    matmul_codes(MatrixView<const float>(a, 1, s.K), MatrixView<const float>(b, 1, s.K), policy,
                 start, out);
  } else if (storage_bytes(dtype) == 2) {
    std::vector<std::uint16_t> x(K), y(K);
    encode16({a, K}, dtype, x);
    encode16({b, K}, dtype, y);
    matmul_codes(MatrixView<const std::uint16_t>(x.data(), 1, s.K), dtype,
                 MatrixView<const std::uint16_t>(y.data(), 1, s.K), dtype, policy, start, out);
  } else {
    EncodeOptions options;
    options.overflow = Overflow::kNonfinite;
    std::vector<std::uint8_t> x(K), y(K);
    encode({a, K}, dtype, x, options);
    encode({b, K}, dtype, y, options);
    matmul_codes(MatrixView<const std::uint8_t>(x.data(), 1, s.K), dtype,
                 MatrixView<const std::uint8_t>(y.data(), 1, s.K), dtype, policy, start, out);
  }
  return d;
}

TEST(TensorCore, RowsMeasuredOnEightGpus) {
  const std::filesystem::path folder(SYLVESTER_TENSOR_CORE_ROWS);
  if (!std::filesystem::exists(folder / "rows.bin")) GTEST_SKIP() << "no rows.bin in " << folder;
  std::ifstream file(folder / "rows.bin", std::ios::binary);
  const std::vector<char> bytes((std::istreambuf_iterator<char>(file)), {});
  for (const RowSet& s : read_row_index(folder)) {
    std::vector<float> all(static_cast<std::size_t>(s.rows * (2 * s.K + 2)));
    ASSERT_LE(static_cast<std::size_t>(s.offset) + all.size() * 4, bytes.size());
    std::memcpy(all.data(), bytes.data() + s.offset, all.size() * 4);
    const float* a = all.data();
    const float* b = a + s.rows * s.K;
    const float* c = b + s.rows * s.K;
    const float* d = c + s.rows;
    const bool c_unused = (s.gpu == "H100" || s.gpu == "H200") && s.format[0] == 'E';
    std::int64_t bad = 0;
    for (std::int64_t r = 0; r < s.rows; ++r) {
      const float got = row_product(s, a + r * s.K, b + r * s.K, c_unused ? 0.0f : c[r]);
      const auto word = std::bit_cast<std::uint32_t>(got);
      const auto want = std::bit_cast<std::uint32_t>(d[r]);
      const bool nan = got != got && d[r] != d[r];
      if (nan || same_word(word, want)) continue;
      if (++bad == 1) {
        ADD_FAILURE() << s.gpu << ' ' << s.format << " row " << r << ": got " << std::hex << word
                      << " expected " << want;
      }
    }
    EXPECT_EQ(bad, 0) << s.gpu << ' ' << s.format << " rows differ";
  }
}

#else
TEST(TensorCore, RowsMeasuredOnEightGpus) {
  GTEST_SKIP() << "set the CMake variable SYLVESTER_TENSOR_CORE_ROWS to the folder of rows.bin";
}
#endif

}  // namespace
}  // namespace sylvester
