// Formats, quantizers, transforms and products.
#include "sylvester/formats/convert.h"
#include "sylvester/formats/dtype.h"
#include "sylvester/formats/packing.h"
#include "sylvester/gemm/matmul.h"
#include "sylvester/hadamard/hadamard.h"
#include "sylvester/quant/quantize.h"

#include "bind.h"

namespace sylvester::python {
EncodeOptions Modes::options(DType to) const {
  EncodeOptions out;
  if (preset) {
    out = encode_preset(*preset, to);
  } else {
    out.rounding = parse_rounding(rounding);
    out.overflow = parse_overflow(overflow);
    out.nan = parse_nan_mode(nan);
  }
  out.stream = {seed, step, tensor};
  return out;
}

namespace {

template <class T>
std::span<const T> span(const In<T>& array) {
  return {array.data(), array.size()};
}

// Codes of numbers of type T, or of bit patterns of the format `from`.
template <class Code, class T, class... From>
Out<Code> encoded(const In<T>& x, const std::string& to, const Modes& modes, From... from) {
  const DType dtype = parse_dtype(to);
  const EncodeOptions options = modes.options(dtype);
  Buffer<Code> codes(static_cast<std::int64_t>(x.size()));
  {
    nb::gil_scoped_release release;
    if constexpr (sizeof(Code) == 1) {
      encode(span(x), from..., dtype, codes.span(), options);
    } else {
      encode16(span(x), from..., dtype, codes.span(), options);
    }
  }
  return give(std::move(codes));
}

// encode_f32, encode16_f64, ...: numbers of type T to codes of type Code.
template <class T, class Code>
void bind_encode(nb::module_& m, const char* name) {
  m.def(name, [](const In<T>& x, const std::string& to, const std::string& rounding,
                 const std::string& overflow, const std::string& nan, std::uint64_t seed,
                 std::uint32_t step, std::uint32_t tensor, std::optional<std::string> preset) {
    return encoded<Code>(x, to, {rounding, overflow, nan, seed, step, tensor, std::move(preset)});
  });
}

// The same from the bit patterns of a 16-bit format.
template <class Code>
void bind_encode_from16(nb::module_& m, const char* name) {
  m.def(name, [](const In<std::uint16_t>& x, const std::string& from, const std::string& to,
                 const std::string& rounding, const std::string& overflow, const std::string& nan,
                 std::uint64_t seed, std::uint32_t step, std::uint32_t tensor,
                 std::optional<std::string> preset) {
    return encoded<Code>(x, to, {rounding, overflow, nan, seed, step, tensor, std::move(preset)},
                         parse_dtype(from));
  });
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
  bind_encode<float, std::uint8_t>(m, "encode_f32");
  bind_encode<double, std::uint8_t>(m, "encode_f64");
  bind_encode<float, std::uint16_t>(m, "encode16_f32");
  bind_encode<double, std::uint16_t>(m, "encode16_f64");
  bind_encode_from16<std::uint8_t>(m, "encode_u16");
  bind_encode_from16<std::uint16_t>(m, "encode16_u16");
  m.def("encode_presets", [](const std::string& to) {
    std::vector<std::string> names;
    for (const std::string_view name : encode_preset_names()) {
      if (has_encode_preset(name, parse_dtype(to))) names.emplace_back(name);
    }
    return names;
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
  // Both work on rows: [rows][codes] <-> [rows][bytes].
  m.def("pack",
        [](const In<std::uint8_t>& codes, const std::string& format, const std::string& layout) {
          const auto X = matrix(codes);
          const Packing packing = parse_packing(layout);
          const DType dtype = parse_dtype(format);
          const std::int64_t width = packed_bytes(X.cols, packing);
          Buffer<std::uint8_t> bytes(X.rows * width);
          for (std::int64_t i = 0; i < X.rows; ++i) {
            pack({X.row(i), static_cast<std::size_t>(X.cols)}, dtype, packing,
                 bytes.span().subspan(static_cast<std::size_t>(i * width),
                                      static_cast<std::size_t>(width)));
          }
          return give(std::move(bytes), {codes.shape(0), static_cast<std::size_t>(width)});
        });
  m.def("unpack", [](const In<std::uint8_t>& bytes, const std::string& format,
                     const std::string& layout, std::int64_t count) {
    const auto X = matrix(bytes);
    const Packing packing = parse_packing(layout);
    const DType dtype = parse_dtype(format);
    if (count < 0) {  // as many as the bytes hold
      count = packing == Packing::kBytes   ? X.cols
              : packing == Packing::kSixes ? X.cols * 8 / 6
                                           : X.cols * 2;
    }
    Buffer<std::uint8_t> codes(X.rows * count);
    for (std::int64_t i = 0; i < X.rows; ++i) {
      unpack({X.row(i), static_cast<std::size_t>(X.cols)}, dtype, packing,
             codes.span().subspan(static_cast<std::size_t>(i * count),
                                  static_cast<std::size_t>(count)));
    }
    return give(std::move(codes), {bytes.shape(0), static_cast<std::size_t>(count)});
  });
  m.def("natural_packing", [](const std::string& format) {
    return std::string(to_string(natural_packing(parse_dtype(format))));
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

// Along the middle axis of x [outer, n, inner], into `out` of the same shape: x itself, or memory
// apart from it.
template <class T>
void bind_hadamard(nb::module_& m, const char* name) {
  m.def(name, [](const In<T>& x, const Into<T>& out, std::int64_t block,
                 std::optional<std::uint64_t> signs, bool inverse) {
    const auto size = [&](std::size_t axis) { return static_cast<std::int64_t>(x.shape(axis)); };
    if (x.ndim() != 3 || out.ndim() != 3 || out.shape(0) != x.shape(0) ||
        out.shape(1) != x.shape(1) || out.shape(2) != x.shape(2)) {
      throw ShapeError("hadamard: want x and out [outer, n, inner]");
    }
    const HadamardOptions options{.block = block, .signs = signs, .inverse = inverse};
    nb::gil_scoped_release release;
    if (size(0) == 0 || size(2) == 1) {
      hadamard_rows(MatrixView<const T>(x.data(), size(0), size(1)),
                    MatrixView<T>(out.data(), size(0), size(1)), options);
      return;
    }
    for (std::int64_t i = 0; i < size(0); ++i) {
      const std::int64_t at = i * size(1) * size(2);
      hadamard_cols(MatrixView<const T>(x.data() + at, size(1), size(2)),
                    MatrixView<T>(out.data() + at, size(1), size(2)), options);
    }
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
                                const std::string& accumulate, std::optional<In<std::int32_t>> c) {
    const auto A = matrix(a);
    const auto B = matrix(b);
    // All policies that take int8 give the same integers; an empty product names those that do not.
    const MatrixView<const std::uint8_t> none;
    matmul_codes(none, DType::kInt8, none, DType::kInt8, parse_accumulation(accumulate), {},
                 MatrixView<float>());
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
