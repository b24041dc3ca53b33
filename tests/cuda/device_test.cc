#include "cuda_test_util.h"

namespace sylvester {
namespace {

TEST(CudaDevice, WithoutADeviceEverythingIsOneClearError) {
  if (cuda::device_count() > 0) GTEST_SKIP() << "there is a device";
  EXPECT_THROW(cuda::require_device(), UnsupportedError);
  EXPECT_THROW(cuda::DeviceBuffer(16), UnsupportedError);
  try {
    cuda::device_info();
    FAIL() << "want UnsupportedError";
  } catch (const UnsupportedError& error) {
    EXPECT_NE(std::string(error.what()).find("CPU backend"), std::string::npos) << error.what();
  }
}

TEST(CudaDevice, MatrixSizesAreChecked) {
  EXPECT_THROW(cuda::DeviceMatrix(nullptr, DType::kFloat32, -1, 4), ShapeError);
  EXPECT_THROW(cuda::DeviceMatrix(nullptr, DType::kFloat32, 2, 4, 3), ShapeError);
}

TEST(CudaDevice, DescribesTheCard) {
  SYLVESTER_NEEDS_DEVICE();
  const cuda::DeviceInfo& info = cuda::device_info();
  EXPECT_FALSE(info.name.empty());
  EXPECT_GE(info.major, 8);
  EXPECT_GT(info.multiprocessors, 0);
  EXPECT_GT(info.memory_bytes, 0);
}

TEST(CudaDevice, OutOfMemoryNamesTheBytes) {
  SYLVESTER_NEEDS_DEVICE();
  const std::int64_t bytes = cuda::device_info().memory_bytes * 2;
  try {
    cuda::DeviceBuffer buffer(bytes);
    FAIL() << "want Error";
  } catch (const Error& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("out of device memory"), std::string::npos) << text;
    EXPECT_NE(text.find(std::to_string(bytes)), std::string::npos) << text;
  }
  cuda::DeviceBuffer small(1024);  // the failure leaves the device usable
  EXPECT_NE(small.data(), nullptr);
}

TEST(CudaDevice, CopiesThereAndBack) {
  SYLVESTER_NEEDS_DEVICE();
  const std::vector<float> x = test::numbers(1000, test::Fill::kRandom, 3);
  const cuda::DeviceBuffer buffer = test::on_device(x);
  EXPECT_EQ(test::from_device<float>(buffer.data(), 1000), x);
}

}  // namespace
}  // namespace sylvester
