// Device time of repeated work: median and spread over graph replays of the same work on rotating
// buffers, so that neither launch gaps nor the L2 cache count.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <vector>

namespace sylvester::bench {

inline void check(cudaError_t status) {
  if (status == cudaSuccess) return;
  std::fprintf(stderr, "CUDA: %s\n", cudaGetErrorString(status));
  std::exit(1);
}

struct Timing {
  double median = 0;  // seconds of one call
  double low = 0, high = 0;
};

// work(stream, i) is the i-th of `calls` calls in one replay.
inline Timing time_calls(const std::function<void(cudaStream_t, int)>& work, int calls,
                         int replays = 15) {
  cudaStream_t stream;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  work(stream, 0);  // tables, attributes and algorithm choices are made outside the capture
  check(cudaStreamSynchronize(stream));
  cudaGraph_t graph;
  cudaGraphExec_t exec;
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  for (int i = 0; i < calls; ++i) work(stream, i);
  check(cudaStreamEndCapture(stream, &graph));
  check(cudaGraphInstantiate(&exec, graph, 0));
  cudaEvent_t begin, end;
  check(cudaEventCreate(&begin));
  check(cudaEventCreate(&end));
  std::vector<double> seconds;
  for (int i = 0; i < replays + 2; ++i) {
    check(cudaEventRecord(begin, stream));
    check(cudaGraphLaunch(exec, stream));
    check(cudaEventRecord(end, stream));
    check(cudaEventSynchronize(end));
    float ms = 0;
    check(cudaEventElapsedTime(&ms, begin, end));
    if (i >= 2) seconds.push_back(ms * 1e-3 / calls);
  }
  std::sort(seconds.begin(), seconds.end());
  check(cudaGraphExecDestroy(exec));
  check(cudaGraphDestroy(graph));
  check(cudaEventDestroy(begin));
  check(cudaEventDestroy(end));
  check(cudaStreamDestroy(stream));
  return {seconds[seconds.size() / 2], seconds.front(), seconds.back()};
}

// A copy as fast as the device makes one: 16 bytes a load, many loads in flight.
template <class = void>
__global__ void copy_kernel(const uint4* from, uint4* to, long long count) {
  const long long step = 1ll * gridDim.x * blockDim.x;
  long long i = blockIdx.x * 1ll * blockDim.x + threadIdx.x;
  for (; i + 3 * step < count; i += 4 * step) {
    uint4 v[4];
#pragma unroll
    for (int k = 0; k < 4; ++k) v[k] = from[i + k * step];
#pragma unroll
    for (int k = 0; k < 4; ++k) to[i + k * step] = v[k];
  }
  for (; i < count; i += step) to[i] = from[i];
}

// Bytes read + written a second: the faster of the driver's copy and our kernel's.
inline double copy_rate(const void* from, void* to, long long bytes) {
  const Timing driver =
      time_calls([&](cudaStream_t s,
                     int) { check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, s)); },
                 3);
  double best = driver.median;
  for (const int blocks : {132 * 4, 132 * 8, 132 * 16, 65536}) {
    const Timing own = time_calls(
        [&](cudaStream_t s, int) {
          copy_kernel<><<<blocks, 256, 0, s>>>(static_cast<const uint4*>(from),
                                               static_cast<uint4*>(to), bytes / 16);
        },
        3);
    best = std::min(best, own.median);
  }
  std::printf("driver copy %.3f TB/s, best copy %.3f TB/s\n", 2e-12 * bytes / driver.median,
              2e-12 * bytes / best);
  return 2.0 * bytes / best;
}

// Normal-like bfloat16 bit patterns; never zeros, which run faster than data.
template <class = void>
__global__ void fill_random_kernel(unsigned short* to, long long count, unsigned seed) {
  for (long long i = blockIdx.x * 1ll * blockDim.x + threadIdx.x; i < count;
       i += 1ll * gridDim.x * blockDim.x) {
    unsigned h = static_cast<unsigned>(i) * 2654435761u + seed;
    h ^= h >> 15, h *= 2246822519u, h ^= h >> 13, h *= 3266489917u, h ^= h >> 16;
    const unsigned exponent = 127 - __clz((h >> 8) | 1) + 8;  // geometric: 1/2 in [1, 2) ...
    to[i] = static_cast<unsigned short>((h & 0x8000u) | exponent << 7 | (h & 0x7F));
  }
}
inline void fill_random(void* to, long long elements, unsigned seed) {
  fill_random_kernel<><<<1024, 256>>>(static_cast<unsigned short*>(to), elements, seed);
  check(cudaDeviceSynchronize());
}

}  // namespace sylvester::bench
