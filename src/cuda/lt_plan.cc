#include "cuda/lt_plan.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "cuda/check.h"
#include "cuda/lt_library.h"
#include "sylvester/cuda/matmul.h"

namespace sylvester::cuda {
namespace detail {
namespace {

constexpr std::size_t kWorkspace = std::size_t{64} << 20;
std::atomic<bool> autotune{false};

void check_lt(cublasStatus_t status, const char* what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  const std::string text = std::string("cuBLASLt ") + what + ": " + lt().GetStatusString(status);
  if (status == CUBLAS_STATUS_NOT_SUPPORTED || status == CUBLAS_STATUS_ARCH_MISMATCH) {
    throw UnsupportedError(text);
  }
  throw Error(text);
}

struct Library {
  cublasLtHandle_t handle = nullptr;
  DeviceBuffer workspace;
  DeviceBuffer constants;  // 1.0f and 0.0f
  Library() {
    require_device();
    check_lt(lt().Create(&handle), "handle");
    workspace.resize(kWorkspace);
    const float values[2] = {1.0f, 0.0f};
    constants.resize(sizeof(values));
    upload(values, constants.data(), sizeof(values));
  }
};
Library& library() {
  static auto* kept = new Library;  // outlives the driver's own teardown order
  return *kept;
}

// C' = B A' in column-major terms: cuBLASLt's A is our B, its m is our n.
struct Plan {
  cublasLtMatmulDesc_t desc = nullptr;
  cublasLtMatrixLayout_t a = nullptr, b = nullptr, c = nullptr;
  cublasLtMatmulAlgo_t algorithm{};

  explicit Plan(const LtProblem& p);
  ~Plan() {
    if (a != nullptr) lt().MatrixLayoutDestroy(a);
    if (b != nullptr) lt().MatrixLayoutDestroy(b);
    if (c != nullptr) lt().MatrixLayoutDestroy(c);
    if (desc != nullptr) lt().MatmulDescDestroy(desc);
  }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  std::vector<cublasLtMatmulAlgo_t> algorithms(int split_k) const;
  cublasStatus_t run(const cublasLtMatmulAlgo_t& algo, const LtProblem& p, const void* A,
                     const void* B, void* C, const float* alpha, cudaStream_t stream) const;
};

template <class T>
void set(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t name, const T& value) {
  check_lt(lt().MatmulDescSetAttribute(desc, name, &value, sizeof(value)), "attribute");
}

cublasLtMatrixLayout_t make_layout(cudaDataType_t type, std::int64_t inner, std::int64_t outer,
                                   std::int64_t stride) {
  cublasLtMatrixLayout_t layout = nullptr;
  check_lt(lt().MatrixLayoutCreate(&layout, type, static_cast<std::uint64_t>(inner),
                                   static_cast<std::uint64_t>(outer), stride),
           "layout");
  return layout;
}

Plan::Plan(const LtProblem& p) {
  check_lt(lt().MatmulDescCreate(&desc, CUBLAS_COMPUTE_32F, CUDA_R_32F), "descriptor");
  // Stored [N, K] row-major is K x N column-major, which the product wants transposed.
  set(desc, CUBLASLT_MATMUL_DESC_TRANSA, p.transpose_b ? CUBLAS_OP_N : CUBLAS_OP_T);
  set(desc, CUBLASLT_MATMUL_DESC_TRANSB, p.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N);
  a = p.transpose_b ? make_layout(p.b, p.n, p.k, p.stride_b)
                    : make_layout(p.b, p.k, p.n, p.stride_b);
  b = p.transpose_a ? make_layout(p.a, p.m, p.k, p.stride_a)
                    : make_layout(p.a, p.k, p.m, p.stride_a);
  c = make_layout(p.c, p.n, p.m, p.stride_c);
  if (p.device_scales) {
    set(desc, CUBLASLT_MATMUL_DESC_FAST_ACCUM, static_cast<std::int8_t>(p.fast ? 1 : 0));
    // Any aligned address: algorithms are chosen before the real ones are known.
    const void* one = library().constants.data();
    set(desc, CUBLASLT_MATMUL_DESC_A_SCALE_POINTER, one);
    set(desc, CUBLASLT_MATMUL_DESC_B_SCALE_POINTER, one);
  }
  if (p.device_alpha) {
    set(desc, CUBLASLT_MATMUL_DESC_POINTER_MODE,
        static_cast<std::int32_t>(CUBLASLT_POINTER_MODE_DEVICE));
  }
  const std::vector<cublasLtMatmulAlgo_t> found = algorithms(p.split_k);
  if (found.empty()) {
    throw UnsupportedError("cuBLASLt offers no algorithm with " + std::to_string(p.split_k) +
                           " slice(s) of K for M " + std::to_string(p.m) + ", N " +
                           std::to_string(p.n) + ", K " + std::to_string(p.k) +
                           "; FP8 wants multiples of 16, other splits are ':splitk=N'");
  }
  algorithm = found[0];
}

std::vector<cublasLtMatmulAlgo_t> Plan::algorithms(int split_k) const {
  cublasLtMatmulPreference_t preference = nullptr;
  check_lt(lt().MatmulPreferenceCreate(&preference), "preference");
  lt().MatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                    &kWorkspace, sizeof(kWorkspace));
  std::array<cublasLtMatmulHeuristicResult_t, 32> results{};
  int count = 0;
  const cublasStatus_t status =
      lt().MatmulAlgoGetHeuristic(library().handle, desc, a, b, c, c, preference,
                                  static_cast<int>(results.size()), results.data(), &count);
  lt().MatmulPreferenceDestroy(preference);
  if (status != CUBLAS_STATUS_SUCCESS && status != CUBLAS_STATUS_NOT_SUPPORTED &&
      status != CUBLAS_STATUS_INVALID_VALUE) {
    check_lt(status, "heuristic");
  }
  std::vector<cublasLtMatmulAlgo_t> out, whole;
  for (int i = 0; i < count && status == CUBLAS_STATUS_SUCCESS; ++i) {
    std::int32_t split = 1;
    std::size_t written = 0;
    lt().MatmulAlgoConfigGetAttribute(&results[static_cast<std::size_t>(i)].algo,
                                      CUBLASLT_ALGO_CONFIG_SPLITK_NUM, &split, sizeof(split),
                                      &written);
    const auto& result = results[static_cast<std::size_t>(i)];
    if (result.state != CUBLAS_STATUS_SUCCESS) continue;
    if (std::max(split, 1) == split_k) out.push_back(result.algo);
    if (split <= 1) whole.push_back(result.algo);
  }
  if (!out.empty() || split_k == 1) return out;
  // None proposed: an unsplit one told to split, its slices added in float32.
  for (cublasLtMatmulAlgo_t algo : whole) {
    const std::int32_t split = split_k;
    const std::uint32_t scheme = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    cublasLtMatmulHeuristicResult_t result{};
    const bool taken =
        lt().MatmulAlgoConfigSetAttribute(&algo, CUBLASLT_ALGO_CONFIG_SPLITK_NUM, &split,
                                          sizeof(split)) == CUBLAS_STATUS_SUCCESS &&
        lt().MatmulAlgoConfigSetAttribute(&algo, CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME, &scheme,
                                          sizeof(scheme)) == CUBLAS_STATUS_SUCCESS &&
        lt().MatmulAlgoCheck(library().handle, desc, a, b, c, c, &algo, &result) ==
            CUBLAS_STATUS_SUCCESS &&
        result.workspaceSize <= kWorkspace;
    if (taken) out.push_back(algo);
  }
  return out;
}

cublasStatus_t Plan::run(const cublasLtMatmulAlgo_t& algo, const LtProblem& p, const void* A,
                         const void* B, void* C, const float* alpha, cudaStream_t stream) const {
  const float one = 1.0f, zero = 0.0f;
  const auto* constants = library().constants.as<float>();
  const void* alpha_at = p.device_alpha ? (alpha != nullptr ? alpha : constants) : &one;
  const void* beta_at = p.device_alpha ? constants + 1 : &zero;
  return lt().Matmul(library().handle, desc, alpha_at, B, a, A, b, beta_at, C, c, C, c, &algo,
                     library().workspace.data(), kWorkspace, stream);
}

// The fastest of the plan's algorithms on the caller's own operands.
void tune(Plan& plan, const LtProblem& p, const void* A, const void* B, void* C, const float* alpha,
          cudaStream_t stream) {
  cudaStreamCaptureStatus capturing = cudaStreamCaptureStatusNone;
  check(cudaStreamIsCapturing(stream, &capturing), "tuning");
  if (capturing != cudaStreamCaptureStatusNone) return;
  cudaEvent_t begin = nullptr, end = nullptr;
  check(cudaEventCreate(&begin), "tuning");
  check(cudaEventCreate(&end), "tuning");
  float least = 1e30f;
  for (const cublasLtMatmulAlgo_t& algo : plan.algorithms(p.split_k)) {
    float best = 1e30f;
    for (int i = 0; i < 6; ++i) {
      cudaEventRecord(begin, stream);
      if (plan.run(algo, p, A, B, C, alpha, stream) != CUBLAS_STATUS_SUCCESS) break;
      cudaEventRecord(end, stream);
      cudaEventSynchronize(end);
      float ms = 1e30f;
      cudaEventElapsedTime(&ms, begin, end);
      if (i > 0) best = std::min(best, ms);
    }
    if (best < least) least = best, plan.algorithm = algo;
  }
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
}

}  // namespace

void run_lt(const LtProblem& problem, const void* A, const void* B, void* C, const float* scale_a,
            const float* scale_b, const float* alpha, cudaStream_t stream) {
  static std::mutex mutex;
  static auto* plans = new std::map<LtProblem, std::unique_ptr<Plan>>;
  const std::lock_guard<std::mutex> lock(mutex);
  std::unique_ptr<Plan>& plan = (*plans)[problem];
  const bool fresh = plan == nullptr;
  if (fresh) plan = std::make_unique<Plan>(problem);
  if (problem.device_scales) {
    set(plan->desc, CUBLASLT_MATMUL_DESC_A_SCALE_POINTER, static_cast<const void*>(scale_b));
    set(plan->desc, CUBLASLT_MATMUL_DESC_B_SCALE_POINTER, static_cast<const void*>(scale_a));
  }
  if (fresh && autotune) tune(*plan, problem, A, B, C, alpha, stream);
  check_lt(plan->run(plan->algorithm, problem, A, B, C, alpha, stream), "product");
}

}  // namespace detail

void set_autotuning(bool on) { detail::autotune = on; }

}  // namespace sylvester::cuda
