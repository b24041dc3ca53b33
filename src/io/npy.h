// The npy format over any source of bytes, for files and for members of an npz.
// Source: NEP 1, "A simple file format for NumPy arrays", and numpy.lib.format's versions 2 and 3.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "io/findings.h"
#include "sylvester/io/npy.h"

namespace sylvester::io::detail {

// Reads forward: fills all of `out`, which never exceeds what is left.
using ReadForward = std::function<void(std::span<std::byte> out)>;

struct NpyHeader {
  std::string dtype;
  std::vector<std::int64_t> shape;
  bool big_endian = false;
  bool fortran = false;
  std::uint64_t header_bytes = 0;  // where the data starts
  std::uint64_t data_bytes = 0;
};

// `total` is the size of the whole npy text; `base` its offset in `file`, for errors; `name` goes
// before the field in errors ("member x: ").
NpyHeader read_npy_header(const ReadForward& read, std::uint64_t total, std::uint64_t base,
                          const std::string& name, Findings& findings);
// The rest: reads the data and converts it.
NpyArray read_npy_data(const NpyHeader& header, const ReadForward& read);
// Magic, version and header, padded to a multiple of 64.
std::string npy_header_text(const NpyArray& array);

}  // namespace sylvester::io::detail
