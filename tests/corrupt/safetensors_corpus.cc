#include "corrupt/corpus.h"
#include "io/io_test_util.h"

namespace sylvester::test {
namespace {

// Eight bytes of header length, the header, the data.
std::string file(const std::string& header, const std::string& data = "") {
  return le(header.size(), 8) + header + data;
}

// {"a":{"dtype":D,"shape":S,"data_offsets":O}}
std::string one(const std::string& shape, const std::string& offsets,
                const std::string& dtype = "\"F32\"") {
  return "{\"a\":{\"dtype\":" + dtype + ",\"shape\":" + shape + ",\"data_offsets\":" + offsets +
         "}}";
}

// Two tensors of one dimension.
std::string two(const std::string& a, const std::string& b, const std::string& name = "b") {
  const auto entry = [](const std::string& range) { return "{\"dtype\":\"U8\"," + range + "}"; };
  return "{\"a\":" + entry(a) + ",\"" + name + "\":" + entry(b) + "}";
}

const std::string kZeros(16, '\0');

std::vector<CorpusFile> length_and_json() {
  return {
      {"empty file", "", 0, "header length", "file of 0 bytes; want at least 8"},
      {"7 bytes", std::string(7, '\1'), 0, "header length", "file of 7 bytes"},
      {"length 2^64-1", std::string(8, '\xFF') + "{}", 0, "header length",
       "18446744073709551615; want at most 100000000"},
      {"length beyond the file", le(1000, 8) + "{}", 0, "header length", "1000; want 1 to 2"},
      {"length 100,000,001", le(100'000'001, 8) + "{}", 0, "header length", "want at most"},
      {"length 0", le(0, 8), 0, "header length", "0; want 1 to 0"},
      {"not UTF-8", file("{\"\xFF\":1}"), 10, "", "ill-formed UTF-8"},
      {"byte-order mark", file("\xEF\xBB\xBF{}"), 8, "", "byte-order mark"},
      {"cut JSON", file("{"), 9, "", "unexpected end of input"},
      {"no object", file("[]"), 9, "header", "is an array; want a JSON object"},
      {"a number", file("3"), 9, "header", "is an integer; want a JSON object"},
      {"NUL in key", file(std::string("{\"a\0\":{}}", 9)), 11, "", "control character"},
      {"comment", file("{/*c*/}"), 9, "", "invalid literal"},
      {"text after the object", file("{} x"), 11, "", "expected end of input"},
      {"lone surrogate", file("{\"\\ud800\":{}}"), 16, "", "surrogate"},
      {"nesting 100,000",
       file("{\"a\":{\"x\":" + std::string(100'000, '[') + std::string(100'000, ']') + "}}"), 24,
       "x", "nesting depth > 8"},
  };
}

std::vector<CorpusFile> keys_and_ranges() {
  const std::string a = "\"shape\":[4],\"data_offsets\":[0,4]";
  return {
      {"duplicate tensor, same range", file(two(a, a, "a"), "abcd"), 64, "a",
       "duplicate key, first at 12"},
      {"duplicate tensor, other range",
       file(two(a, "\"shape\":[4],\"data_offsets\":[4,8]", "a"), "abcdefgh"), 64, "a",
       "duplicate key, first at 12"},
      {"duplicate field", file("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"I32\"}}"), 35, "dtype",
       "duplicate key, first at 21"},
      {"duplicate metadata", file("{\"__metadata__\":{},\"__metadata__\":{}}"), 41, "__metadata__",
       "duplicate key"},
      {"overlap", file(two(a, a), "abcd"), 64, "b.data_offsets", "\"b\" [0, 4) overlaps \"a\""},
      {"partial overlap", file(two(a, "\"shape\":[4],\"data_offsets\":[2,6]"), "abcdef"), 64,
       "b.data_offsets", "\"b\" [2, 6) overlaps \"a\" [0, 4)"},
      {"hole", file(two(a, "\"shape\":[2],\"data_offsets\":[6,8]"), "abcdefgh"), 64,
       "b.data_offsets", "hole of 2 bytes between \"a\" [0, 4) and \"b\" [6, 8)"},
      {"first not at 0", file(one("[1]", "[4,8]"), kZeros.substr(8)), 12, "a.data_offsets",
       "hole of 4 bytes between the data's start"},
      {"reversed", file(one("[4]", "[16,0]"), kZeros), 12, "a.data_offsets", "reversed: [16, 0)"},
      {"negative offset", file(one("[4]", "[-16,0]"), kZeros), 59, "a.data_offsets",
       "negative; want an array of integers >= 0"},
      {"trailing bytes", file(one("[4]", "[0,16]"), kZeros + "polyglot"), 79, "data",
       "8 trailing bytes"},
      {"trailing bytes, no tensors", file("{}", "x"), 10, "data", "1 trailing bytes"},
      {"one byte short", file(one("[4]", "[0,16]"), kZeros.substr(1)), 63, "a.data_offsets",
       "ends beyond the 15 data bytes"},
      {"offsets of 2^64-1", file(one("[4]", "[0,18446744073709551615]"), kZeros), 12,
       "a.data_offsets", "shape and dtype need 16"},
  };
}

std::vector<CorpusFile> shapes_and_types() {
  const std::string good = "[0,16]";
  return {
      {"shape product overflows", file(one("[2,18446744073709551614]", good), kZeros), 12,
       "a.shape", "does not fit 64 bits"},
      {"bytes overflow", file(one("[2,9223372036854775807]", good), kZeros), 12, "a.shape",
       "does not fit 64 bits"},
      {"dimension 2^64", file(one("[18446744073709551616]", good), kZeros), 57, "shape",
       "does not fit 64 bits"},
      {"dimension 2.0", file(one("[2.0,2]", good), kZeros), 40, "a.shape", "not an integer"},
      {"dimension 1e2", file(one("[1e2]", "[0,400]"), kZeros), 40, "a.shape", "not an integer"},
      {"dimension -2", file(one("[-2]", good), kZeros), 39, "a.shape", "negative"},
      {"dimension true", file(one("[true]", good), kZeros), 41, "a.shape", "a bool"},
      {"dimension text", file(one("[\"2\"]", good), kZeros), 40, "a.shape", "a string"},
      {"shape no array", file(one("4", good), kZeros), 37, "a.shape", "is an integer"},
      {"shape nested", file(one("[[4]]", good), kZeros), 38, "a.shape", "an array"},
      {"nine dimensions", file(one("[1,1,1,1,1,1,1,1,4]", good), kZeros), 12, "a.shape",
       "9 dimensions; want at most 8"},
      {"range unlike shape", file(one("[3,3]", good), kZeros), 12, "a.data_offsets",
       "range of 16 bytes; shape and dtype need 36"},
      {"unknown dtype", file(one("[4]", good, "\"F5\""), kZeros), 12, "a.dtype",
       "unknown dtype \"F5\""},
      {"lower-case dtype", file(one("[4]", good, "\"f32\""), kZeros), 12, "a.dtype",
       "unknown dtype \"f32\""},
      {"a GGUF dtype", file(one("[32]", "[0,18]", "\"Q4_0\""), kZeros + "xx"), 12, "a.dtype",
       "unknown dtype"},
      {"dtype a number", file(one("[4]", good, "3"), kZeros), 23, "a.dtype", "want a string"},
      {"three offsets", file(one("[4]", "[0,16,32]"), kZeros), 12, "a.data_offsets",
       "has 3 numbers; want 2"},
      {"no shape", file("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,16]}}", kZeros), 12,
       "a.shape", "missing"},
      {"no offsets", file("{\"a\":{\"dtype\":\"F32\",\"shape\":[4]}}", kZeros), 12,
       "a.data_offsets", "missing"},
      {"no dtype", file("{\"a\":{\"shape\":[4],\"data_offsets\":[0,16]}}", kZeros), 12, "a.dtype",
       "missing"},
      {"tensor no object", file("{\"a\":3}"), 14, "a", "is an integer; want an object"},
      {"F4 odd", file(one("[3]", "[0,2]", "\"F4\""), "xx"), 12, "a.shape",
       "sub-byte tensor does not fill bytes"},
      {"F6 no multiple of 4", file(one("[3]", "[0,3]", "\"F6_E3M2\""), "xxx"), 12, "a.shape",
       "sub-byte tensor does not fill bytes"},
      {"metadata no object", file("{\"__metadata__\":[]}"), 25, "__metadata__", "want an object"},
      {"metadata not text", file("{\"__metadata__\":{\"a\":1}}"), 30, "__metadata__.a",
       "is an integer; want a string"},
  };
}

std::vector<CorpusFile> accepted() {
  std::string many = "{";
  for (int i = 0; i < 20'000; ++i) {
    many += (i > 0 ? ",\"t" : "\"t") + std::to_string(i) +
            "\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}";
  }
  return {
      {"one tensor", file(one("[4]", "[0,16]"), kZeros)},
      {"no tensors", file("{}")},
      {"unknown field",
       file("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"x\":[{\"y\":1}]}}",
            "z")},
      {"white space around", file("  {} \n\t")},
      {"unaligned header and data",
       file("{\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
            "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[1,5]}}",
            "xabcd")},
      {"zero dimension", file(one("[0,5]", "[0,0]"))},
      {"scalar", file(one("[]", "[0,4]"), "abcd")},
      {"empty name", file("{\"\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", "z")},
      {"name like a path",
       file("{\"../../x\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", "z")},
      {"name with control characters",
       file("{\"\\u0000\\u001b[2J\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
            "z")},
      {"name of 1 MB", file("{\"" + std::string(1'000'000, 'n') +
                                "\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
                            "z")},
      {"metadata", file("{\"__metadata__\":{\"format\":\"pt\"}}")},
      {"order of offsets differs",
       file("{\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]},"
            "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
            "xy")},
      {"20,000 tensors", file(many + "}")},
      {"F4", file(one("[4]", "[0,2]", "\"F4\""), "xy")},
      {"F6", file(one("[4]", "[0,3]", "\"F6_E2M3\""), "xyz")},
      {"F8_E8M0", file(one("[2]", "[0,2]", "\"F8_E8M0\""), "xy")},
  };
}

}  // namespace

std::vector<CorpusFile> safetensors_corpus() {
  std::vector<CorpusFile> out;
  for (auto part : {length_and_json(), keys_and_ranges(), shapes_and_types(), accepted()}) {
    out.insert(out.end(), part.begin(), part.end());
  }
  return out;
}

}  // namespace sylvester::test
