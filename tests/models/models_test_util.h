// The golden models: expected.json and expected.safetensors beside the weights.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sylvester/io/json.h"
#include "sylvester/io/tensor_file.h"
#include "sylvester/models/decoder.h"
#include "sylvester/ops/ops.h"
#include "test_util.h"

namespace sylvester::test {

inline std::vector<std::int32_t> flat_ids(const io::JsonValue& rows) {
  std::vector<std::int32_t> out;
  for (const io::JsonValue& row : rows.items()) {
    for (const io::JsonValue& id : row.items())
      out.push_back(static_cast<std::int32_t>(id.as_int()));
  }
  return out;
}

inline Batch golden_batch(const io::JsonValue& expected) {
  Batch batch;
  batch.ids = flat_ids(expected.at("input_ids"));
  batch.labels = flat_ids(expected.at("labels"));
  batch.B = expected.at("input_ids").size();
  batch.T = static_cast<std::int64_t>(batch.ids.size()) / batch.B;
  return batch;
}

inline std::vector<float> read_tensor(const io::TensorFile& file, const std::string& name) {
  const io::TensorInfo& info = file.info(name);
  std::int64_t size = 1;
  for (const std::int64_t n : info.shape) size *= n;
  std::vector<float> out(static_cast<std::size_t>(size));
  file.read_float32(info, out);
  return out;
}

inline std::vector<float> values_of(const Tensor& x) {
  std::vector<float> out(static_cast<std::size_t>(x.size()));
  cpu_ops().download(x, out);
  return out;
}

// The largest |got - want|; prints where, with the tensor's name, when it exceeds the bound.
inline double largest_difference(const std::string& name, const std::vector<float>& got,
                                 const std::vector<float>& want, double bound) {
  EXPECT_EQ(got.size(), want.size()) << name;
  if (got.size() != want.size()) return 1e30;
  double largest = 0;
  std::size_t at = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double d = std::abs(static_cast<double>(got[i]) - static_cast<double>(want[i]));
    if (!(d <= largest)) {
      largest = d;
      at = i;
    }
  }
  EXPECT_LE(largest, bound) << name << "[" << at << "]: got " << (got.empty() ? 0 : got[at])
                            << ", expected " << (want.empty() ? 0 : want[at]);
  return largest;
}

}  // namespace sylvester::test
