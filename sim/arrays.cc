#include "arrays.h"

#include <cerrno>
#include <system_error>

#include "sylvester/core/error.h"
#include "sylvester/core/text.h"
#include "sylvester/io/json.h"
#include "sylvester/io/tensor_file.h"

namespace sylvester::sim {
namespace fs = std::filesystem;
namespace {

bool ends(const std::string& text, const char* end) { return text.ends_with(end); }

// "file.npz:member" parted; a name may hold ':' itself, so the ending decides.
std::pair<std::string, std::string> split(const std::string& place) {
  for (const char* end : {".npz:", ".safetensors:"}) {
    const std::size_t at = place.find(end);
    if (at != std::string::npos) {
      const std::size_t colon = place.find(':', at);
      return {place.substr(0, colon), place.substr(colon + 1)};
    }
  }
  return {place, ""};
}

[[noreturn]] void no_member(const std::string& file, const std::string& name,
                            const std::vector<std::string>& names) {
  if (name.empty()) {
    throw ValueError("'" + io::printable(file) + "' holds " + std::to_string(names.size()) +
                     " arrays; say which one: FILE:NAME");
  }
  throw ValueError("'" + io::printable(file) + "' has no array '" + io::printable(name) + "'" +
                   did_you_mean(name, names));
}

io::NpyArray load_member(const std::string& file, const std::string& name) {
  std::vector<std::string> names;
  for (auto& [member, array] : io::read_npz(file)) {
    if (member == name) return std::move(array);
    names.push_back(member);
  }
  if (name.empty() && names.size() == 1) return std::move(io::read_npz(file)[0].second);
  no_member(file, name, names);
}

io::NpyArray load_tensor(const std::string& path, const std::string& name) {
  const auto file = io::open_safetensors(path);
  std::vector<std::string> names;
  for (const io::TensorInfo& info : file->tensors()) names.push_back(info.name);
  const bool only = name.empty() && names.size() == 1;
  if (!only && !file->contains(name)) no_member(path, name, names);
  const io::TensorInfo& info = file->info(only ? names[0] : name);
  std::int64_t count = 1;
  for (const std::int64_t n : info.shape) count *= n;
  std::vector<float> values(static_cast<std::size_t>(count));
  file->read_float32(info, values);
  return io::make_array(std::span<const float>(values), info.shape);
}

}  // namespace

FileKind kind_of(const std::string& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return FileKind::kFolder;
  const std::string file = split(path).first;
  if (ends(file, ".npy")) return FileKind::kNpy;
  if (ends(file, ".npz")) return FileKind::kNpz;
  if (ends(file, ".safetensors")) return FileKind::kSafetensors;
  throw ValueError("'" + io::printable(path) +
                   "': want a .npy, .npz or .safetensors file, or a model folder");
}

io::NpyArray load_array(const std::string& place) {
  const auto [file, name] = split(place);
  switch (kind_of(file)) {
    case FileKind::kNpy:
      return io::read_npy(file);
    case FileKind::kNpz:
      return load_member(file, name);
    case FileKind::kSafetensors:
      return load_tensor(file, name);
    default:
      throw ValueError("'" + io::printable(place) + "' is a folder; want one array");
  }
}

std::int64_t AxisLayout::inner() const {
  std::int64_t n = 1;
  for (std::size_t d = static_cast<std::size_t>(axis) + 1; d < shape.size(); ++d) n *= shape[d];
  return n;
}

AxisLayout axis_layout(const io::NpyArray& array, std::int64_t axis) {
  AxisLayout m;
  m.shape = array.shape;
  if (m.shape.empty()) m.shape = {1};
  const auto dims = static_cast<std::int64_t>(m.shape.size());
  if (axis < -dims || axis >= dims) {
    throw ValueError("axis " + std::to_string(axis) + ": the array has " + std::to_string(dims) +
                     " dimension(s)");
  }
  m.axis = axis < 0 ? axis + dims : axis;
  m.cols = m.shape[static_cast<std::size_t>(m.axis)];
  m.rows = 1;
  for (std::int64_t d = 0; d < dims; ++d) {
    if (d != m.axis) m.rows *= m.shape[static_cast<std::size_t>(d)];
  }
  return m;
}

AxisMatrix to_matrix(const io::NpyArray& array, std::int64_t axis) {
  AxisMatrix m;
  static_cast<AxisLayout&>(m) = axis_layout(array, axis);
  m.values = to_axis_order(m, array.to_float32());
  return m;
}

std::int64_t bytes_of(const std::string& path) {
  const std::string file = split(path).first;
  std::error_code error;
  std::int64_t total = 0;
  if (fs::is_directory(file, error)) {
    for (const auto& entry : fs::directory_iterator(file, error)) {
      if (entry.is_regular_file(error)) {
        total += static_cast<std::int64_t>(entry.file_size(error));
      }
    }
  } else {
    const auto size = fs::file_size(file, error);
    if (!error) total = static_cast<std::int64_t>(size);
  }
  if (error) throw IoError(file, error.value(), "cannot open");
  return total;
}

void check_output(const std::string& in, const std::string& out, bool force) {
  std::error_code error;
  if (fs::exists(out, error)) {
    if (!in.empty() && fs::equivalent(in, out, error)) {
      throw ValueError("output '" + io::printable(out) + "' is the input");
    }
    if (!force)
      throw ValueError("output '" + io::printable(out) + "' exists; replace it with --force");
  }
  const fs::path parent = fs::absolute(out).parent_path();
  if (!fs::is_directory(parent, error)) throw IoError(parent.string(), ENOENT, "output folder");
}

}  // namespace sylvester::sim
