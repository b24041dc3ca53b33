// The numerics on arrays that live on a card: they come and go as DLPack, nothing is copied.
#include "sylvester/nn/linear.h"
#include "sylvester/ops/numerics.h"

#include "bind.h"

namespace sylvester::python {
namespace {

// C-contiguous, any dtype; the Python layer makes them so.
using DeviceIn = nb::ndarray<nb::ro, nb::c_contig, nb::device::cuda>;
using DeviceOut = nb::ndarray<nb::device::cuda>;

DType dtype_of(const nb::dlpack::dtype& d) {
  using Code = nb::dlpack::dtype_code;
  const auto code = static_cast<Code>(d.code);
  if (d.lanes == 1 && d.bits == 32 && code == Code::Float) return DType::kFloat32;
  if (d.lanes == 1 && d.bits == 16 && code == Code::Bfloat) return DType::kBFloat16;
  if (d.lanes == 1 && d.bits == 16 && code == Code::Float) return DType::kFloat16;
  if (d.lanes == 1 && d.bits == 8) return DType::kUInt8;  // codes, under any label
  throw ValueError("device array: DLPack dtype code " + std::to_string(d.code) + " of " +
                   std::to_string(d.bits) +
                   " bits; want float32, bfloat16, float16 or 8-bit codes");
}

// Shares the array's memory for the length of a call.
Tensor tensor_of(const DeviceIn& x) {
  if (x.device_id() != 0) {
    throw ValueError("device array: it lives on device " + std::to_string(x.device_id()) +
                     "; this package uses device 0");
  }
  Shape shape;
  for (std::size_t i = 0; i < x.ndim(); ++i) shape.push_back(static_cast<std::int64_t>(x.shape(i)));
  auto* data = reinterpret_cast<std::byte*>(const_cast<void*>(x.data()));
  return Tensor::adopt({data, [](std::byte*) {}}, std::move(shape), dtype_of(x.dtype()),
                       Device::kCuda);
}

nb::dlpack::dtype dlpack_of(DType dtype, bool is_signed) {
  using Code = nb::dlpack::dtype_code;
  const auto make = [](Code code, int bits) {
    nb::dlpack::dtype d;
    d.code = static_cast<std::uint8_t>(code);
    d.bits = static_cast<std::uint8_t>(bits);
    d.lanes = 1;
    return d;
  };
  if (dtype == DType::kFloat32) return make(Code::Float, 32);
  if (dtype == DType::kBFloat16) return make(Code::Bfloat, 16);
  if (dtype == DType::kFloat16) return make(Code::Float, 16);
  return make(is_signed ? Code::Int : Code::UInt, 8);
}

// The array's capsule keeps the tensor's memory. `is_signed`: 8-bit codes labelled int8.
DeviceOut give(Tensor tensor, bool is_signed = false) {
  auto* owner = new Tensor(std::move(tensor));
  nb::capsule capsule(owner, [](void* p) noexcept { delete static_cast<Tensor*>(p); });
  std::vector<std::size_t> shape;
  for (const std::int64_t d : owner->shape()) shape.push_back(static_cast<std::size_t>(d));
  return DeviceOut(owner->raw(), shape.size(), shape.data(), capsule, nullptr,
                   dlpack_of(owner->dtype(), is_signed), nb::device::cuda::value, 0);
}

// Runs f on the card's numerics without the interpreter's lock and waits for it: the caller's
// framework may read the results on any stream.
template <class F>
void run(const F& f) {
  nb::gil_scoped_release release;
  Numerics& card = numerics(Device::kCuda);
  f(card);
  card.synchronize();
}

// What quantize() returns; its arrays share its memory and keep it alive.
class DeviceQuantized {
 public:
  std::shared_ptr<QuantizedTensor> q = std::make_shared<QuantizedTensor>();

  nb::object part(const std::string& name) const {
    const QuantizedParts parts = numerics(Device::kCuda).parts(*q);
    const Tensor& t = name == "codes"         ? parts.codes
                      : name == "scales"      ? parts.scales
                      : name == "scale_codes" ? parts.scale_codes
                      : name == "zeros"       ? parts.zeros
                      : name == "values"      ? parts.values
                                              : parts.tensor_scale;
    if (t.empty()) return nb::none();
    const std::shared_ptr<std::byte> kept(q, t.raw());
    const bool is_signed = name == "codes" && is_integer(q->spec.format) && !q->spec.asymmetric;
    return nb::cast(give(Tensor::adopt(kept, t.shape(), t.dtype(), Device::kCuda), is_signed));
  }

  DeviceOut dequantize() const {
    Tensor out;
    run([&](Numerics& card) {
      out = card.allocate({q->rows, q->cols});
      card.dequantize(*q, out);
    });
    return give(std::move(out));
  }
};

// What one forward pass left for its backward; holds the arrays that the context refers to.
class DevicePass {
 public:
  DevicePass(DeviceIn x, DeviceIn w) : x_(std::move(x)), w_(std::move(w)) {}

  DeviceOut forward(const std::string& recipe, const std::string& accumulate, std::uint64_t seed,
                    std::uint32_t step) {
    const LinearRecipe parsed = parse_recipe(recipe);
    const Accumulation policy = parse_accumulation(accumulate);
    const Tensor X = tensor_of(x_), W = tensor_of(w_);
    Tensor y;
    run([&](Numerics& card) {
      y = card.allocate({X.dim(0), W.dim(0)}, X.dtype());
      linear_forward(X, W, parsed, policy, y, &context_, {seed, step, 0});
    });
    return give(std::move(y));
  }

  nb::tuple backward(const DeviceIn& dy) {
    if (used_) throw ValueError("context: backward was already called");
    const Tensor X = tensor_of(x_), W = tensor_of(w_), E = tensor_of(dy);
    Tensor dx, dw;
    run([&](Numerics& card) {
      dx = card.allocate(X.shape(), X.dtype());
      dw = card.allocate(W.shape(), W.dtype());
      linear_backward(context_, E, dx, dw);
    });
    used_ = true;
    return nb::make_tuple(give(std::move(dx)), give(std::move(dw)));
  }

 private:
  DeviceIn x_, w_;
  LinearContext context_;
  bool used_ = false;
};

void bind_codes(nb::module_& m) {
  m.def("device_encode",
        [](const DeviceIn& x, const std::string& to, const std::string& rounding,
           const std::string& overflow, const std::string& nan, std::uint64_t seed,
           std::uint32_t step, std::uint32_t tensor, std::optional<std::string> preset) {
          const DType format = parse_dtype(to);
          const Modes modes{rounding, overflow, nan, seed, step, tensor, std::move(preset)};
          const EncodeOptions options = modes.options(format);
          Tensor codes;
          run([&](Numerics& card) {
            const Tensor source = tensor_of(x);
            codes = card.allocate(source.shape(), codes_dtype(format));
            card.encode(source, format, codes, options);
          });
          return give(std::move(codes), is_integer(format));
        });
  m.def("device_decode", [](const DeviceIn& codes, const std::string& from) {
    const DType format = parse_dtype(from);
    Tensor x;
    run([&](Numerics& card) {
      const Tensor source = tensor_of(codes);
      x = card.allocate(source.shape());
      card.decode(source, format, x);
    });
    return give(std::move(x));
  });
}

void bind_quantizers(nb::module_& m) {
  nb::class_<DeviceQuantized>(m, "DeviceQuantized")
      .def_prop_ro("spec", [](const DeviceQuantized& d) { return to_string(d.q->spec); })
      .def_prop_ro(
          "format",
          [](const DeviceQuantized& d) { return std::string(to_string(d.q->spec.format)); })
      .def("part", &DeviceQuantized::part)
      .def("dequantize", &DeviceQuantized::dequantize);
  m.def("device_quantize", [](const DeviceIn& x, const std::string& text, std::uint64_t seed,
                              std::uint32_t step, std::uint32_t tensor) {
    const QuantSpec spec = parse_quant_spec(text);
    DeviceQuantized out;
    run([&](Numerics& card) {
      card.quantize(tensor_of(x), {}, spec, *out.q, {seed, step, tensor});
    });
    return out;
  });
  m.def("device_hadamard", [](const DeviceIn& x, bool columns, std::int64_t block,
                              std::optional<std::uint64_t> signs, bool inverse) {
    Tensor out;
    run([&](Numerics& card) {
      const Tensor source = tensor_of(x);
      out = card.allocate(source.shape(), source.dtype());
      card.hadamard(source, columns, {.block = block, .signs = signs, .inverse = inverse}, out);
    });
    return give(std::move(out));
  });
}

// bfloat16 operands as they are; the one product the card has for them.
void bfloat16_product(Numerics& card, const Tensor& A, const Tensor& B, const Accumulation& policy,
                      Tensor& C) {
  const bool known =
      policy.name == "sm90-cublaslt" || policy.name == "sm90-wgmma" || policy.name == "blas";
  if (!known || policy.split_k > 1 || policy.promote != 0) {
    throw UnsupportedError("matmul_codes on the device: bfloat16 operands under '" +
                           to_string(policy) + "'; want 'sm90-cublaslt' or 'sm90-wgmma'");
  }
  card.product(A, false, B, true, C);
}

void bind_products(nb::module_& m) {
  m.def("device_matmul",  // the quantizers and the product in one call
        [](const DeviceIn& a, const DeviceIn& b, const std::string& spec_a,
           const std::string& spec_b, const std::string& accumulate, const std::string& out) {
          const QuantSpec sa = parse_quant_spec(spec_a), sb = parse_quant_spec(spec_b);
          const Accumulation policy = parse_accumulation(accumulate);
          const DType dtype = parse_dtype(out);
          Tensor C;
          run([&](Numerics& card) {
            const Tensor A = tensor_of(a), B = tensor_of(b);
            QuantizedTensor qa, qb;
            card.quantize(A, {}, sa, qa);
            card.quantize(B, {}, sb, qb);
            C = card.allocate({qa.rows, qb.rows}, dtype);
            card.matmul(qa, false, qb, false, policy, C);
          });
          return give(std::move(C));
        });
  m.def("device_matmul_codes",
        [](const DeviceIn& a, const std::string& format_a, const DeviceIn& b,
           const std::string& format_b, const std::string& accumulate, const std::string& out) {
          const DType fa = parse_dtype(format_a), fb = parse_dtype(format_b);
          const Accumulation policy = parse_accumulation(accumulate);
          const DType dtype = parse_dtype(out);
          Tensor C;
          run([&](Numerics& card) {
            const Tensor A = tensor_of(a), B = tensor_of(b);
            C = card.allocate({A.dim(0), B.dim(0)}, dtype);
            if (A.dtype() == DType::kBFloat16) return bfloat16_product(card, A, B, policy, C);
            QuantizedTensor qa, qb;
            card.from_codes(A, fa, qa);
            card.from_codes(B, fb, qb);
            card.matmul(qa, false, qb, false, policy, C);
          });
          return give(std::move(C));
        });
  nb::class_<DevicePass>(m, "DevicePass").def("backward", &DevicePass::backward);
  m.def("device_linear_forward",
        [](const DeviceIn& x, const DeviceIn& w, const std::string& recipe,
           const std::string& accumulate, std::uint64_t seed, std::uint32_t step) {
          auto pass = std::make_unique<DevicePass>(x, w);
          DeviceOut y = pass->forward(recipe, accumulate, seed, step);
          return nb::make_tuple(y, nb::cast(pass.release(), nb::rv_policy::take_ownership));
        });
}

}  // namespace

void bind_device(nb::module_& m) {
  bind_codes(m);
  bind_quantizers(m);
  bind_products(m);
}

}  // namespace sylvester::python
