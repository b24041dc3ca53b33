// The little of the zip format that npz files need: the directory, and members read forward.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "io/findings.h"
#include "sylvester/io/file_system.h"
#include "sylvester/io/npy.h"

namespace sylvester::io::detail {

struct ZipMember {
  std::string name;
  std::uint16_t method = 0;  // 0 stored, 8 deflate
  std::uint32_t crc = 0;
  std::uint64_t packed_bytes = 0;
  std::uint64_t bytes = 0;
  std::uint64_t begin = 0;    // its local header
  std::uint64_t data_at = 0;  // its data
};

// Every member, in the directory's order; none reaches outside the file or overlaps another.
std::vector<ZipMember> read_zip_directory(const ReadableFile& file, Findings& findings);

class ZipReader {
 public:
  ZipReader(const ReadableFile& file, const ZipMember& member, Findings& findings);
  ~ZipReader();
  ZipReader(const ZipReader&) = delete;
  ZipReader& operator=(const ZipReader&) = delete;
  // Fills `out` with the next bytes.
  void read(std::span<std::byte> out);
  // After the last byte: checks the CRC.
  void finish();

 private:
  void inflate_into(std::span<std::byte> out);
  const ReadableFile& file_;
  const ZipMember& member_;
  Findings& findings_;
  z_stream stream_{};
  std::vector<std::byte> window_;
  std::uint64_t used_ = 0;  // packed bytes taken from the file
  unsigned long crc_ = 0;
};

std::string npz_array_name(const ZipMember& member, const Findings& findings);
NpyArray read_npz_member(const ReadableFile& file, const ZipMember& member, std::uint64_t max_bytes,
                         Findings& findings);

}  // namespace sylvester::io::detail
