// Formats, quantizers, transforms and products.
#include "sylvester/formats/convert.h"
#include "sylvester/formats/dtype.h"
#include "sylvester/formats/packing.h"
#include "sylvester/gemm/matmul.h"
#include "sylvester/hadamard/hadamard.h"
#include "sylvester/quant/quantize.h"

#include "bind.h"

namespace sylvester::python {
EncodeOptions encode_options(const std::string& rounding, const std::string& overflow,
                             const std::string& nan, std::optional<std::uint64_t> seed,
                             std::uint32_t step, std::uint32_t tensor) {
  EncodeOptions options;
  options.rounding = parse_rounding(rounding);
  options.overflow = parse_overflow(overflow);
  options.nan = parse_nan_mode(nan);
  options.stream = {seed.value_or(0), step, tensor};
  return options;
}

namespace {

template <class T>
std::span<const T> span(const In<T>& array) {
  return {array.data(), array.size()};
}

template <class T>
Out<std::uint8_t> encode_array(const In<T>& x, const std::string& to,
                               const EncodeOptions& options) {
  Buffer<std::uint8_t> codes(static_cast<std::int64_t>(x.size()));
  {
    nb::gil_scoped_release release;
    encode(span(x), parse_dtype(to), codes.span(), options);
  }
  return give(std::move(codes));
}

void bind_formats(nb::module_& m) {
  m.def("formats", [] {
    nb::list out;
    for (const Format& f : formats()) {
      nb::dict row;
      row["name"] = std::string(f.name);
      row["alias"] = std::string(f.alias);
      row["bits"] = f.bits;
      row["exponent_bits"] = f.exponent_bits;
      row["mantissa_bits"] = f.mantissa_bits;
      row["bias"] = f.bias;
      row["max"] = f.max;
      row["min_normal"] = f.min_normal;
      row["min_subnormal"] = f.min_subnormal;
      row["integer"] = is_integer(f.dtype);
      out.append(row);
    }
    return out;
  });
  m.def("format_name",
        [](const std::string& name) { return std::string(to_string(parse_dtype(name))); });
  m.def("encode_f32",
        [](const In<float>& x, const std::string& to, const std::string& rounding,
           const std::string& overflow, const std::string& nan, std::optional<std::uint64_t> seed,
           std::uint32_t step, std::uint32_t tensor) {
          return encode_array(x, to, encode_options(rounding, overflow, nan, seed, step, tensor));
        });
  m.def("encode_f64",
        [](const In<double>& x, const std::string& to, const std::string& rounding,
           const std::string& overflow, const std::string& nan, std::optional<std::uint64_t> seed,
           std::uint32_t step, std::uint32_t tensor) {
          return encode_array(x, to, encode_options(rounding, overflow, nan, seed, step, tensor));
        });
  m.def("encode_u16",
        [](const In<std::uint16_t>& x, const std::string& from, const std::string& to,
           const std::string& rounding, const std::string& overflow, const std::string& nan,
           std::optional<std::uint64_t> seed, std::uint32_t step, std::uint32_t tensor) {
          const auto options = encode_options(rounding, overflow, nan, seed, step, tensor);
          Buffer<std::uint8_t> codes(static_cast<std::int64_t>(x.size()));
          {
            nb::gil_scoped_release release;
            encode(span(x), parse_dtype(from), parse_dtype(to), codes.span(), options);
          }
          return give(std::move(codes));
        });
  m.def("decode", [](const In<std::uint8_t>& codes, const std::string& from) {
    Buffer<float> x(static_cast<std::int64_t>(codes.size()));
    {
      nb::gil_scoped_release release;
      decode(span(codes), parse_dtype(from), x.span());
    }
    return give(std::move(x));
  });
  m.def("decode16", [](const In<std::uint16_t>& codes, const std::string& from) {
    Buffer<float> x(static_cast<std::int64_t>(codes.size()));
    {
      nb::gil_scoped_release release;
      decode16(span(codes), parse_dtype(from), x.span());
    }
    return give(std::move(x));
  });
}

// What quantize() returns, as plain arrays; the Python class wraps it.
nb::dict quantized_arrays(QuantizedMatrix q, const QuantStats& stats) {
  using Sizes = std::vector<std::size_t>;
  const Sizes shape{static_cast<std::size_t>(q.rows), static_cast<std::size_t>(q.cols)};
  const Sizes grid{static_cast<std::size_t>(q.scale_rows), static_cast<std::size_t>(q.scale_cols)};
  Buffer<float> dequantized(q.rows * q.cols);
  dequantize(q, MatrixView<float>(dequantized.data(), q.rows, q.cols));
  nb::dict out;
  out["spec"] = to_string(q.spec);
  out["format"] = std::string(to_string(q.spec.format));
  out["asymmetric"] = q.spec.asymmetric;
  out["block"] = nb::make_tuple(q.block_rows, q.block_cols);
  out["tensor_scale"] = q.tensor_scale;
  out["dequantized"] = give(std::move(dequantized), shape);
  if (!q.codes.empty()) out["codes"] = give(std::move(q.codes), shape);
  if (!q.scales.empty()) out["scales"] = give(std::move(q.scales), grid);
  if (!q.scale_codes.empty()) out["scale_codes"] = give(std::move(q.scale_codes), grid);
  if (!q.zeros.empty()) out["zeros"] = give(std::move(q.zeros), grid);
  nb::dict figures;
  figures["count"] = stats.count;
  figures["mse"] = stats.mse;
  figures["sqnr_db"] = stats.sqnr_db;
  figures["max_error"] = stats.max_error;
  figures["zeros"] = stats.zeros;
  figures["saturated"] = stats.saturated;
  out["stats"] = figures;
  return out;
}

void bind_quantizers(nb::module_& m) {
  m.def("pack", [](const In<std::uint8_t>& codes, const std::string& format,
                   const std::string& layout) {
    const Packing packing = parse_packing(layout);
    Buffer<std::uint8_t> bytes(packed_bytes(static_cast<std::int64_t>(codes.size()), packing));
    pack(span(codes), parse_dtype(format), packing, bytes.span());
    return give(std::move(bytes));
  });
  m.def("normalize_spec",
        [](const std::string& text) { return to_string(parse_quant_spec(text)); });
  m.def("quantize", [](const In<float>& x, const std::string& text, std::uint64_t seed,
                       std::uint32_t step, std::uint32_t tensor) {
    const QuantSpec spec = parse_quant_spec(text);
    QuantizedMatrix q;
    QuantStats stats;
    {
      nb::gil_scoped_release release;
      quantize(matrix(x), spec, q, &stats, {seed, step, tensor});
    }
    return quantized_arrays(std::move(q), stats);
  });
  m.def("fake_quantize", [](const In<float>& x, const std::string& text, std::uint64_t seed,
                            std::uint32_t step, std::uint32_t tensor) {
    const QuantSpec spec = parse_quant_spec(text);
    const auto X = matrix(x);
    Buffer<float> out(X.size());
    {
      nb::gil_scoped_release release;
      fake_quantize(X, spec, MatrixView<float>(out.data(), X.rows, X.cols), nullptr,
                    {seed, step, tensor});
    }
    return give(std::move(out), {x.shape(0), x.shape(1)});
  });
}

template <class T>
void bind_hadamard(nb::module_& m, const char* name) {
  m.def(name,
        [](const In<T>& x, std::int64_t block, std::optional<std::uint64_t> signs, bool inverse) {
          const auto X = matrix(x);
          Buffer<T> out(X.size());
          {
            nb::gil_scoped_release release;
            hadamard_rows(X, MatrixView<T>(out.data(), X.rows, X.cols),
                          {.block = block, .signs = signs, .inverse = inverse});
          }
          return give(std::move(out), {x.shape(0), x.shape(1)});
        });
}

template <class T>
Out<T> give_vector(const std::vector<T>& values, std::vector<std::size_t> shape) {
  Buffer<T> buffer(static_cast<std::int64_t>(values.size()));
  std::copy(values.begin(), values.end(), buffer.begin());
  return give(std::move(buffer), std::move(shape));
}

template <class T>
void bind_codes(nb::module_& m, const char* name) {
  m.def(name, [](const In<T>& a, const std::string& fa, const In<T>& b, const std::string& fb,
                 const std::string& accumulate, std::optional<In<float>> c) {
    const auto A = matrix(a);
    const auto B = matrix(b);
    const Accumulation policy = parse_accumulation(accumulate);
    Buffer<float> out(A.rows * B.rows);
    {
      const MatrixView<const float> C0 = c ? matrix(*c) : MatrixView<const float>();
      nb::gil_scoped_release release;
      matmul_codes(A, parse_dtype(fa), B, parse_dtype(fb), policy, C0,
                   MatrixView<float>(out.data(), A.rows, B.rows));
    }
    return give(std::move(out), {a.shape(0), b.shape(0)});
  });
}

void bind_products(nb::module_& m) {
  m.def("matmul", [](const In<float>& a, const In<float>& b, const std::string& spec_a,
                     const std::string& spec_b, const std::string& accumulate, float alpha,
                     const std::string& rounded_to) {
    const auto A = matrix(a);
    const auto B = matrix(b);
    const QuantSpec sa = parse_quant_spec(spec_a), sb = parse_quant_spec(spec_b);
    const Accumulation policy = parse_accumulation(accumulate);
    const MatmulOptions options{alpha, parse_dtype(rounded_to)};
    Buffer<float> out(A.rows * B.rows);
    {
      nb::gil_scoped_release release;
      const QuantizedMatrix qa = quantize(A, sa), qb = quantize(B, sb);
      matmul(qa, qb, policy, MatrixView<float>(out.data(), A.rows, B.rows), options);
    }
    return give(std::move(out), {a.shape(0), b.shape(0)});
  });
  bind_codes<std::uint8_t>(m, "matmul_codes");
  bind_codes<std::uint16_t>(m, "matmul_codes16");
  m.def("matmul_float32", [](const In<float>& a, const In<float>& b, const std::string& accumulate,
                             std::optional<In<float>> c) {
    const auto A = matrix(a);
    const auto B = matrix(b);
    const Accumulation policy = parse_accumulation(accumulate);
    Buffer<float> out(A.rows * B.rows);
    {
      const MatrixView<const float> C0 = c ? matrix(*c) : MatrixView<const float>();
      nb::gil_scoped_release release;
      matmul_codes(A, B, policy, C0, MatrixView<float>(out.data(), A.rows, B.rows));
    }
    return give(std::move(out), {a.shape(0), b.shape(0)});
  });
  m.def("matmul_codes_int8", [](const In<std::int8_t>& a, const In<std::int8_t>& b,
                                std::optional<In<std::int32_t>> c) {
    const auto A = matrix(a);
    const auto B = matrix(b);
    Buffer<std::int32_t> out(A.rows * B.rows);
    {
      const MatrixView<const std::int32_t> C0 = c ? matrix(*c) : MatrixView<const std::int32_t>();
      nb::gil_scoped_release release;
      matmul_codes(A, B, C0, MatrixView<std::int32_t>(out.data(), A.rows, B.rows));
    }
    return give(std::move(out), {a.shape(0), b.shape(0)});
  });
}

}  // namespace

void bind_numerics(nb::module_& m) {
  bind_formats(m);
  bind_quantizers(m);
  bind_hadamard<float>(m, "hadamard_f32");
  bind_hadamard<double>(m, "hadamard_f64");
  bind_hadamard<std::uint16_t>(m, "hadamard_bf16");
  m.def("hadamard_matrix", [](std::int64_t n) {
    const auto size = static_cast<std::size_t>(n);
    return give_vector(hadamard_matrix(n), {size, size});
  });
  m.def("hadamard_signs", [](std::uint64_t seed, std::int64_t n) {
    return give_vector(hadamard_signs(seed, n), {static_cast<std::size_t>(n)});
  });
  bind_products(m);
}

}  // namespace sylvester::python
