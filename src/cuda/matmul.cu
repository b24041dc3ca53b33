#include "sylvester/cuda/matmul.h"

#include <algorithm>
#include <bit>
#include <string>

#include "cuda/check.h"
#include "cuda/element_device.cuh"
#include "cuda/fwht_any.cuh"
#include "cuda/int8_product.h"
#include "cuda/lt_plan.h"
#include "cuda/quant_job.h"
#include "sylvester/quant/spec.h"

namespace sylvester::cuda {
namespace {

using detail::LtProblem;

struct CodesView {
  const std::uint8_t* data;
  std::int64_t rows, cols;
};

CodesView codes_of(const DeviceOperand& x, const char* side) {
  const DeviceBuffer& codes = x.transposed ? x.matrix->codes_t : x.matrix->codes;
  if (codes.size() != x.rows() * x.cols()) {
    throw ShapeError(std::string("matmul on the device: operand ") + side +
                     (x.transposed ? " is read transposed but has no codes_t; quantize it with "
                                     "transposed = true or call transpose_codes"
                                   : " has no codes"));
  }
  return {codes.as<std::uint8_t>(), x.rows(), x.cols()};
}

void check_shapes(const DeviceOperand& A, const DeviceOperand& B, const DeviceMatrix& C) {
  if (A.cols() != B.cols() || C.rows != A.rows() || C.cols != B.rows()) {
    throw ShapeError("matmul on the device: A is " + std::to_string(A.rows()) + " x " +
                     std::to_string(A.cols()) + ", B " + std::to_string(B.rows()) + " x " +
                     std::to_string(B.cols()) + ", C " + std::to_string(C.rows) + " x " +
                     std::to_string(C.cols) + "; want [M, K] [N, K] [M, N]");
  }
  if ((C.dtype != DType::kFloat32 && C.dtype != DType::kBFloat16) || !C.contiguous()) {
    throw UnsupportedError("matmul on the device: C is " + std::string(to_string(C.dtype)) +
                           "; want contiguous float32 or bfloat16");
  }
}

[[noreturn]] void no_product(const DeviceOperand& A, const DeviceOperand& B,
                             const Accumulation& accumulation) {
  throw UnsupportedError(
      "matmul on the device: no product of '" + to_string(A.matrix->spec) + "' and '" +
      to_string(B.matrix->spec) + "' under '" + to_string(accumulation) +
      "'; FP8 with one scale a tensor takes sm90-cublaslt and sm90-cublaslt-fast, integers take "
      "int32, everything exact in bfloat16 goes through matmul_decoded; the CPU takes the rest");
}

cudaDataType_t lt_type(DType dtype) {
  return dtype == DType::kFloat8E5M2 ? CUDA_R_8F_E5M2
         : dtype == DType::kFloat32  ? CUDA_R_32F
         : dtype == DType::kBFloat16 ? CUDA_R_16BF
         : dtype == DType::kFloat16  ? CUDA_R_16F
                                     : CUDA_R_8F_E4M3;
}

bool is_fp8(DType dtype) { return dtype == DType::kFloat8E4M3FN || dtype == DType::kFloat8E5M2; }
bool one_scale(const DeviceQuantized& q) {
  return q.spec.granularity == Granularity::kTensor && !q.spec.asymmetric;
}
void check_aligned(const void* p, const char* what) {
  if (reinterpret_cast<std::uintptr_t>(p) % 16 != 0) {
    throw ValueError(std::string("matmul on the device: ") + what +
                     " is not aligned to 16 bytes, which the tensor cores' library asks for");
  }
}

void fp8_product(const DeviceOperand& A, const DeviceOperand& B, const Accumulation& accumulation,
                 const DeviceMatrix& C, cudaStream_t stream) {
  const bool fast = accumulation.name == "sm90-cublaslt-fast";
  const bool both_e5m2 =
      A.matrix->spec.format == DType::kFloat8E5M2 && B.matrix->spec.format == DType::kFloat8E5M2;
  if ((!fast && accumulation.name != "sm90-cublaslt") || accumulation.promote != 0 || both_e5m2) {
    no_product(A, B, accumulation);
  }
  LtProblem p;
  p.m = C.rows, p.n = C.cols, p.k = A.cols();
  p.a = lt_type(A.matrix->spec.format);
  p.b = lt_type(B.matrix->spec.format);
  p.c = lt_type(C.dtype);
  p.stride_a = p.stride_b = p.k;
  p.stride_c = p.n;
  p.fast = fast;
  p.split_k = std::max(accumulation.split_k, 1);
  p.device_scales = true;
  const CodesView a = codes_of(A, "A"), b = codes_of(B, "B");
  check_aligned(A.matrix->scales.data(), "the scale of A");
  check_aligned(B.matrix->scales.data(), "the scale of B");
  detail::run_lt(p, a.data, b.data, C.data, A.matrix->scales.as<float>(),
                 B.matrix->scales.as<float>(), nullptr, stream);
}

// The product of two scales has to live somewhere that outlasts the call: one slot a calling pair.
float* alpha_slot(const DeviceOperand& A) {
  return A.matrix->tensor_scale.as<float>() + (A.transposed ? 2 : 1);
}

void int8_product(const DeviceOperand& A, const DeviceOperand& B, const DeviceMatrix& C,
                  cudaStream_t stream) {
  const auto rows_of = [&](const DeviceOperand& x) {
    // One scale a row of the operand as read.
    return x.matrix->spec.granularity == (x.transposed ? Granularity::kColumn : Granularity::kRow);
  };
  const auto fits = [&](const DeviceOperand& x) {
    return is_integer(x.matrix->spec.format) && !x.matrix->spec.asymmetric &&
           (one_scale(*x.matrix) || rows_of(x));
  };
  if (!fits(A) || !fits(B)) no_product(A, B, {AccumulationKind::kInt32, "int32"});
  detail::Int8Product p;
  const CodesView a = codes_of(A, "A"), b = codes_of(B, "B");
  p.a = reinterpret_cast<const std::int8_t*>(a.data);
  p.b = reinterpret_cast<const std::int8_t*>(b.data);
  p.c = C.data;
  p.type = C.dtype;
  p.m = C.rows, p.n = C.cols, p.k = A.cols();
  p.scale_a = A.matrix->scales.as<float>();
  p.scale_b = B.matrix->scales.as<float>();
  p.rows_a = rows_of(A);
  p.rows_b = rows_of(B);
  p.alpha = alpha_slot(A);
  if (!detail::int8_tensor_core(p, stream)) detail::int8_any(p, stream);
}

// Codes to bfloat16, times the block scale where it is inside the sum.
__global__ void decode_bf16_kernel(const detail::QuantJob job, const detail::ElementMap map,
                                   bool transposed, bool scaled, bool split_tensor,
                                   __nv_bfloat16* to) {
  __shared__ float values[256];
  values[threadIdx.x] = map.value[threadIdx.x];
  __syncthreads();
  const std::int64_t rows = transposed ? job.cols : job.rows;
  const std::int64_t cols = transposed ? job.rows : job.cols;
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < rows * cols;
       i += std::int64_t{gridDim.x} * blockDim.x) {
    float x = values[job.codes[i]];
    if (scaled) {
      const std::int64_t r = i / cols, c = i - r * cols;
      const std::int64_t block = transposed ? job.block(c, r) : job.block(r, c);
      const float scale = split_tensor ? (isnan(job.scales[block])
                                              ? detail::device_nan()
                                              : detail::device_e4m3_value(job.scale_codes[block]))
                                       : job.scales[block];
      x = __fmul_rn(x, scale);
    }
    to[i] = __float2bfloat16_rn(x);
  }
}

__global__ void multiply_kernel(const float* a, const float* b, float* out) {
  *out = __fmul_rn(a == nullptr ? 1.0f : *a, b == nullptr ? 1.0f : *b);
}

// How an operand becomes bfloat16 exactly: which scales go into the numbers, which stay outside.
struct Decoding {
  bool scaled = false;        // block scales multiply the numbers
  bool split_tensor = false;  // NVFP4: the E4M3 part inside, the tensor's part outside
  const float* outside = nullptr;
};

Decoding decoding_of(const DeviceOperand& x, const DeviceOperand& A, const DeviceOperand& B,
                     const Accumulation& accumulation) {
  const DeviceQuantized& q = *x.matrix;
  const QuantSpec& spec = q.spec;
  const bool narrow = !is_cast(spec) && !spec.asymmetric;
  if (narrow && one_scale(q)) return {false, false, q.scales.as<float>()};
  if (narrow && spec.granularity == Granularity::kNvfp4) {
    return {true, true, q.tensor_scale.as<float>()};
  }
  const bool powers = spec.scale_format == DType::kFloat8E8M0FNU && spec.margin == 1.0f;
  if (narrow && powers) return {true, false, nullptr};
  no_product(A, B, accumulation);
}

}  // namespace

void matmul(const DeviceOperand& A, const DeviceOperand& B, const Accumulation& accumulation,
            const DeviceMatrix& C, StreamHandle queue) {
  require_device();
  check_shapes(A, B, C);
  if (C.size() == 0) return;
  const cudaStream_t stream = detail::native(queue);
  const DType a = A.matrix->spec.format, b = B.matrix->spec.format;
  if (A.cols() == 0) {
    detail::check(
        cudaMemsetAsync(C.data, 0, static_cast<std::size_t>(C.size() * storage_bytes(C.dtype)),
                        stream),
        "matmul");
    return;
  }
  if (accumulation.kind == AccumulationKind::kInt32) return int8_product(A, B, C, stream);
  if (is_fp8(a) && is_fp8(b) && one_scale(*A.matrix) && one_scale(*B.matrix)) {
    return fp8_product(A, B, accumulation, C, stream);
  }
  no_product(A, B, accumulation);
}

void matmul_decoded(const DeviceOperand& A, const DeviceOperand& B,
                    const Accumulation& accumulation, const DeviceMatrix& C, DeviceBuffer& work,
                    StreamHandle queue) {
  require_device();
  check_shapes(A, B, C);
  if (C.size() == 0) return;
  const cudaStream_t stream = detail::native(queue);
  const Decoding da = decoding_of(A, A, B, accumulation), db = decoding_of(B, A, B, accumulation);
  const std::int64_t a_bytes = (A.rows() * A.cols() * 2 + 255) / 256 * 256;
  const std::int64_t b_bytes = (B.rows() * B.cols() * 2 + 255) / 256 * 256;
  work.resize(256 + a_bytes + b_bytes);
  auto* alpha = work.as<float>();
  auto* a = reinterpret_cast<__nv_bfloat16*>(work.as<char>() + 256);
  auto* b = reinterpret_cast<__nv_bfloat16*>(work.as<char>() + 256 + a_bytes);
  const auto decode = [&](const DeviceOperand& x, const Decoding& how, const char* side,
                          __nv_bfloat16* to) {
    const DeviceQuantized& q = *x.matrix;
    detail::QuantJob job;
    job.rows = q.rows, job.cols = q.cols;
    job.block_rows = std::max<std::int64_t>(q.block_rows, 1);
    job.block_cols = std::max<std::int64_t>(q.block_cols, 1);
    job.scale_rows = q.scale_rows, job.scale_cols = q.scale_cols;
    job.codes = const_cast<std::uint8_t*>(codes_of(x, side).data);
    job.scales = q.scales.as<float>();
    job.scale_codes = q.scale_codes.as<std::uint8_t>();
    const detail::ElementMap map(detail::ScalePlan(q.spec), {});
    const std::int64_t most = device_info().multiprocessors * 32;
    const int grid =
        static_cast<int>(std::clamp<std::int64_t>((job.rows * job.cols) / 256, 1, most));
    decode_bf16_kernel<<<grid, 256, 0, stream>>>(job, map, x.transposed, how.scaled,
                                                 how.split_tensor, to);
    detail::check_launch("decode to bfloat16");
  };
  decode(A, da, "A", a);
  decode(B, db, "B", b);
  multiply_kernel<<<1, 1, 0, stream>>>(da.outside, db.outside, alpha);
  detail::check_launch("scales");
  product({a, DType::kBFloat16, A.rows(), A.cols()}, false,
          {b, DType::kBFloat16, B.rows(), B.cols()}, false, accumulation, C, alpha, queue);
}

void product(const DeviceMatrix& A, bool transpose_a, const DeviceMatrix& B, bool transpose_b,
             const Accumulation& accumulation, const DeviceMatrix& C, const float* scale,
             StreamHandle queue) {
  require_device();
  const std::int64_t m = transpose_a ? A.cols : A.rows, k = transpose_a ? A.rows : A.cols;
  const std::int64_t n = transpose_b ? B.cols : B.rows, kb = transpose_b ? B.rows : B.cols;
  if (k != kb || C.rows != m || C.cols != n) {
    throw ShapeError("product on the device: op(A) is " + std::to_string(m) + " x " +
                     std::to_string(k) + ", op(B) " + std::to_string(n) + " x " +
                     std::to_string(kb) + ", C " + std::to_string(C.rows) + " x " +
                     std::to_string(C.cols) + "; want [M, K] [N, K] [M, N]");
  }
  const bool policy = accumulation.name == "sm90-cublaslt" || accumulation.name == "sm90-wgmma" ||
                      accumulation.name == "blas";
  const bool types = (A.dtype == DType::kBFloat16 || A.dtype == DType::kFloat16) &&
                     B.dtype == A.dtype && (C.dtype == A.dtype || C.dtype == DType::kFloat32);
  if (!policy || !types || accumulation.promote != 0) {
    throw UnsupportedError(
        "product on the device: " + std::string(to_string(A.dtype)) + " x " +
        std::string(to_string(B.dtype)) + " to " + std::string(to_string(C.dtype)) + " under '" +
        to_string(accumulation) +
        "'; want bfloat16 or float16 operands, a result of their type or float32, "
        "and 'sm90-cublaslt' or 'sm90-wgmma'");
  }
  if (C.size() == 0) return;
  LtProblem p;
  p.m = m, p.n = n, p.k = k;
  p.a = p.b = lt_type(A.dtype);
  p.c = lt_type(C.dtype);
  p.transpose_a = transpose_a, p.transpose_b = transpose_b;
  p.stride_a = A.stride, p.stride_b = B.stride, p.stride_c = C.stride;
  p.split_k = std::max(accumulation.split_k, 1);
  p.device_alpha = scale != nullptr;
  detail::run_lt(p, A.data, B.data, C.data, nullptr, nullptr, scale, detail::native(queue));
}

}  // namespace sylvester::cuda
