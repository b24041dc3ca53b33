#include "cuda/lt_library.h"

#include <dlfcn.h>

#include <string>

#include "sylvester/core/error.h"

namespace sylvester::cuda::detail {
namespace {

std::string file_name() {
  return "libcublasLt.so." + std::to_string(CUBLAS_VER_MAJOR);  // the version of the headers
}

void* open_library() {
  const std::string name = file_name();
  for (const std::string& path : {name, std::string(SYLVESTER_CUBLASLT_FOLDER) + "/" + name}) {
    if (void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) return handle;
  }
  const char* why = dlerror();
  throw UnsupportedError("products on the device need " + name +
                         " of the CUDA toolkit: " + (why != nullptr ? why : "it cannot be opened") +
                         "; install it or set LD_LIBRARY_PATH");
}

template <class Function>
void find(void* library, const char* name, Function& to) {
  to = reinterpret_cast<Function>(dlsym(library, name));
  if (to == nullptr) {
    throw UnsupportedError(file_name() + " has no function " + name + "; it is not the toolkit's");
  }
}

LtFunctions load() {
  void* library = open_library();  // stays open until the process ends
  LtFunctions f{};
  find(library, "cublasLtCreate", f.Create);
  find(library, "cublasLtGetStatusString", f.GetStatusString);
  find(library, "cublasLtMatmul", f.Matmul);
  find(library, "cublasLtMatmulAlgoCheck", f.MatmulAlgoCheck);
  find(library, "cublasLtMatmulAlgoConfigGetAttribute", f.MatmulAlgoConfigGetAttribute);
  find(library, "cublasLtMatmulAlgoConfigSetAttribute", f.MatmulAlgoConfigSetAttribute);
  find(library, "cublasLtMatmulAlgoGetHeuristic", f.MatmulAlgoGetHeuristic);
  find(library, "cublasLtMatmulDescCreate", f.MatmulDescCreate);
  find(library, "cublasLtMatmulDescDestroy", f.MatmulDescDestroy);
  find(library, "cublasLtMatmulDescSetAttribute", f.MatmulDescSetAttribute);
  find(library, "cublasLtMatmulPreferenceCreate", f.MatmulPreferenceCreate);
  find(library, "cublasLtMatmulPreferenceDestroy", f.MatmulPreferenceDestroy);
  find(library, "cublasLtMatmulPreferenceSetAttribute", f.MatmulPreferenceSetAttribute);
  find(library, "cublasLtMatrixLayoutCreate", f.MatrixLayoutCreate);
  find(library, "cublasLtMatrixLayoutDestroy", f.MatrixLayoutDestroy);
  return f;
}

}  // namespace

const LtFunctions& lt() {
  static const LtFunctions functions = load();
  return functions;
}

}  // namespace sylvester::cuda::detail
