// Which libraries the products run on.
#include <cblas.h>
#include <hwy/base.h>
#include <hwy/highway.h>
#include <omp.h>

#include <Eigen/Core>
#include <string>

#include "gemm/kernels.h"
#include "sylvester/gemm/matmul.h"

#ifdef SYLVESTER_HAVE_DNNL
#include <dnnl.h>
#endif

extern "C" {
char* openblas_get_config();
char* openblas_get_corename();
}

namespace sylvester {
namespace {

std::string dotted(int major, int minor, int patch) {
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
}

// "OpenBLAS 0.3.21 DYNAMIC_ARCH ... Haswell": the second word.
std::string openblas_version() {
  const std::string config = openblas_get_config();
  const std::size_t begin = config.find(' ') + 1;
  return config.substr(begin, config.find(' ', begin) - begin);
}

}  // namespace

std::vector<Library> product_libraries() {
  std::vector<Library> out;
#ifdef SYLVESTER_HAVE_DNNL
  const dnnl_version_t* dnnl = dnnl_version();
  out.push_back({"oneDNN", dotted(dnnl->major, dnnl->minor, dnnl->patch), "float32 products"});
#endif
  const bool trusted = detail::openblas_trusted();
  out.push_back({"OpenBLAS", openblas_version(),
                 "float64 products, kernels of " + std::string(openblas_get_corename()) +
                     (trusted ? "" : "; answers wrongly on this CPU and is not used")});
  out.push_back({"Eigen", dotted(EIGEN_WORLD_VERSION, EIGEN_MAJOR_VERSION, EIGEN_MINOR_VERSION),
                 "products where the others cannot"});
  out.push_back({"Highway", dotted(HWY_MAJOR, HWY_MINOR, HWY_PATCH), "vector instructions"});
  out.push_back({"OpenMP", std::to_string(_OPENMP), "threads"});
  return out;
}

}  // namespace sylvester
