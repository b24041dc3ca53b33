// The blocked, threaded loop around a PanelKernel.
#pragma once

#include <cstdint>
#include <functional>

#include "gemm/panel_kernel.h"

namespace sylvester::detail {

// A finished window of C: rows [m0, m0 + rows), columns [n0, n0 + cols); int32 or float32 by the
// kernel.
struct PanelBlock {
  const void* data;
  std::int64_t stride;
  std::int64_t m0, rows, n0, cols;
};
using PanelSink = std::function<void(const PanelBlock&)>;

// All of A B' by `kernel`. `A` and `B` describe whole operands: rows, K, source; width and word are
// the kernel's. The sink is called once for each window, from any thread; windows do not depend on
// the number of threads.
void panel_product(const PanelKernel& kernel, const PackJob& A, const PackJob& B,
                   const PanelSink& sink);

}  // namespace sylvester::detail
