// npz: a zip archive of npy members. Source: PKWARE's APPNOTE.TXT 6.3 (sections 4.3, 4.5.3).
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <set>

#include "io/atomic_write.h"
#include "io/npy.h"
#include "io/zip.h"
#include "sylvester/core/error.h"
#include "sylvester/io/json.h"

namespace sylvester::io {
namespace detail {
namespace {

template <class T>
T get(const std::vector<std::byte>& bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

class Archive {
 public:
  Archive(const ReadableFile& file, Findings& findings) : file_(file), findings_(findings) {}

  std::vector<ZipMember> members() {
    std::vector<ZipMember> out;
    find_directory();
    const std::vector<std::byte> directory = read(directory_at_, directory_bytes_);
    std::size_t at = 0;
    std::set<std::string> names;
    for (std::uint64_t i = 0; i < count_; ++i) {
      out.push_back(entry(directory, at));
      if (!names.insert(out.back().name).second) {
        fail(directory_at_ + at, printable(out.back().name), "duplicate member");
      }
    }
    if (at != directory.size()) fail(directory_at_ + at, "directory", "bytes after its last entry");
    check_overlap(out);
    return out;
  }

 private:
  [[noreturn]] void fail(std::uint64_t at, const std::string& field, const std::string& rule) {
    findings_.fatal(static_cast<std::int64_t>(at), field, rule);
  }
  std::vector<std::byte> read(std::uint64_t at, std::uint64_t n) {
    if (at > file_.size() || n > file_.size() - at) {
      fail(at, "directory", "points outside the file of " + std::to_string(file_.size()));
    }
    std::vector<std::byte> out(n);
    file_.read(at, out);
    return out;
  }

  // The end record lies in the last 22 + 65535 bytes, after an optional zip64 locator.
  void find_directory() {
    const std::uint64_t window = std::min<std::uint64_t>(file_.size(), 22 + 65535);
    const std::uint64_t base = file_.size() - window;
    const std::vector<std::byte> tail = read(base, window);
    std::size_t at = tail.size();
    for (std::size_t i = tail.size() < 22 ? 0 : tail.size() - 21; i-- > 0;) {
      // The comment must end where the file does, so that nothing hides behind it.
      if (get<std::uint32_t>(tail, i) == 0x06054b50u &&
          i + 22 + get<std::uint16_t>(tail, i + 20) == tail.size()) {
        at = i;
        break;
      }
    }
    if (at == tail.size()) fail(file_.size(), "end record", "missing: not a zip archive, or cut");
    count_ = get<std::uint16_t>(tail, at + 10);
    directory_bytes_ = get<std::uint32_t>(tail, at + 12);
    directory_at_ = get<std::uint32_t>(tail, at + 16);
    if (count_ != get<std::uint16_t>(tail, at + 8) || get<std::uint16_t>(tail, at + 4) != 0) {
      fail(base + at, "end record", "an archive of several disks");
    }
    const bool large =
        count_ == 0xFFFF || directory_bytes_ == 0xFFFFFFFFu || directory_at_ == 0xFFFFFFFFu;
    if (large && at >= 20 && get<std::uint32_t>(tail, at - 20) == 0x07064b50u) {
      const std::uint64_t record_at = get<std::uint64_t>(tail, at - 12);
      const std::vector<std::byte> record = read(record_at, 56);
      if (get<std::uint32_t>(record, 0) != 0x06064b50u) {
        fail(record_at, "zip64 end record", "missing");
      }
      count_ = get<std::uint64_t>(record, 32);
      directory_bytes_ = get<std::uint64_t>(record, 40);
      directory_at_ = get<std::uint64_t>(record, 48);
    }
    if (count_ > directory_bytes_ / 46 || directory_at_ > base + at ||
        directory_bytes_ > base + at - directory_at_) {
      fail(base + at, "end record",
           std::to_string(count_) + " members in a directory of " +
               std::to_string(directory_bytes_) + " bytes at " + std::to_string(directory_at_));
    }
  }

  ZipMember entry(const std::vector<std::byte>& directory, std::size_t& at) {
    const std::uint64_t place = directory_at_ + at;
    if (directory.size() - at < 46 || get<std::uint32_t>(directory, at) != 0x02014b50u) {
      fail(place, "directory", "entry is cut or has no signature");
    }
    ZipMember out;
    const auto flags = get<std::uint16_t>(directory, at + 8);
    out.method = get<std::uint16_t>(directory, at + 10);
    out.crc = get<std::uint32_t>(directory, at + 16);
    out.packed_bytes = get<std::uint32_t>(directory, at + 20);
    out.bytes = get<std::uint32_t>(directory, at + 24);
    std::uint64_t header_at = get<std::uint32_t>(directory, at + 42);
    const std::size_t name = get<std::uint16_t>(directory, at + 28);
    const std::size_t extra = get<std::uint16_t>(directory, at + 30);
    const std::size_t comment = get<std::uint16_t>(directory, at + 32);
    if (directory.size() - at - 46 < name + extra + comment) fail(place, "directory", "cut");
    out.name.assign(reinterpret_cast<const char*>(directory.data()) + at + 46, name);
    const std::string field = printable(out.name);
    zip64_extra(directory, at + 46 + name, extra, out, header_at);
    at += 46 + name + extra + comment;
    if ((flags & 1) != 0) fail(place, field, "encrypted");
    if (out.method != 0 && out.method != 8) {
      fail(place, field,
           "compression method " + std::to_string(out.method) + "; want 0 (stored) or 8 (deflate)");
    }
    const std::vector<std::byte> local = read(header_at, 30);
    if (get<std::uint32_t>(local, 0) != 0x04034b50u) fail(header_at, field, "no local header");
    const std::size_t local_name = get<std::uint16_t>(local, 26);
    out.begin = header_at;
    out.data_at = header_at + 30 + local_name + get<std::uint16_t>(local, 28);
    const std::vector<std::byte> text = read(header_at + 30, local_name);
    if (std::string_view(reinterpret_cast<const char*>(text.data()), text.size()) != out.name) {
      fail(header_at, field, "the local header has another name");
    }
    if (out.data_at > directory_at_ || out.packed_bytes > directory_at_ - out.data_at) {
      fail(place, field, "its data lie outside the archive");
    }
    if (out.method == 0 && out.packed_bytes != out.bytes) {
      fail(place, field, "stored, but its two sizes differ");
    }
    return out;
  }

  // Sizes of 2^32 - 1 stand in the zip64 extra field, in this order, those only.
  void zip64_extra(const std::vector<std::byte>& directory, std::size_t from, std::size_t bytes,
                   ZipMember& member, std::uint64_t& header_at) {
    for (std::size_t at = from; at + 4 <= from + bytes;) {
      const auto id = get<std::uint16_t>(directory, at);
      const std::size_t size = get<std::uint16_t>(directory, at + 2);
      if (at + 4 + size > from + bytes) return;
      std::size_t next = at + 4;
      for (std::uint64_t* value : {&member.bytes, &member.packed_bytes, &header_at}) {
        if (id != 1 || *value != 0xFFFFFFFFu || next + 8 > at + 4 + size) continue;
        *value = get<std::uint64_t>(directory, next);
        next += 8;
      }
      at += 4 + size;
    }
  }

  // Members that share bytes let a small file expand without end.
  void check_overlap(std::vector<ZipMember> members) {
    std::sort(members.begin(), members.end(),
              [](const ZipMember& a, const ZipMember& b) { return a.begin < b.begin; });
    for (std::size_t i = 1; i < members.size(); ++i) {
      if (members[i].begin < members[i - 1].data_at + members[i - 1].packed_bytes) {
        fail(members[i].begin, printable(members[i].name),
             "overlaps member \"" + printable(members[i - 1].name) + "\"");
      }
    }
  }

  const ReadableFile& file_;
  Findings& findings_;
  std::uint64_t count_ = 0, directory_at_ = 0, directory_bytes_ = 0;
};

}  // namespace

std::vector<ZipMember> read_zip_directory(const ReadableFile& file, Findings& findings) {
  return Archive(file, findings).members();
}

ZipReader::ZipReader(const ReadableFile& file, const ZipMember& member, Findings& findings)
    : file_(file), member_(member), findings_(findings) {
  if (member.method == 8 && inflateInit2(&stream_, -MAX_WBITS) != Z_OK) throw std::bad_alloc();
}

ZipReader::~ZipReader() {
  if (member_.method == 8) inflateEnd(&stream_);
}

void ZipReader::read(std::span<std::byte> out) {
  if (member_.method == 0) {
    file_.read(member_.data_at + used_, out);
    used_ += out.size();
  } else {
    inflate_into(out);
  }
  // zlib takes 32-bit lengths.
  for (std::span<const std::byte> rest = out; !rest.empty();) {
    const std::size_t n = std::min<std::size_t>(rest.size(), std::size_t{1} << 30);
    crc_ = ::crc32(crc_, reinterpret_cast<const Bytef*>(rest.data()), static_cast<uInt>(n));
    rest = rest.subspan(n);
  }
}

void ZipReader::inflate_into(std::span<std::byte> out) {
  while (!out.empty()) {
    if (stream_.avail_in == 0 && used_ < member_.packed_bytes) {
      window_.resize(std::min<std::uint64_t>(1 << 16, member_.packed_bytes - used_));
      file_.read(member_.data_at + used_, window_);
      used_ += window_.size();
      stream_.next_in = reinterpret_cast<Bytef*>(window_.data());
      stream_.avail_in = static_cast<uInt>(window_.size());
    }
    const std::size_t room = std::min<std::size_t>(out.size(), std::size_t{1} << 30);
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(room);
    const int status = ::inflate(&stream_, Z_NO_FLUSH);
    const std::size_t made = room - stream_.avail_out;
    out = out.subspan(made);
    if (out.empty()) return;
    if (status == Z_STREAM_END || (status != Z_OK && status != Z_BUF_ERROR) ||
        (made == 0 && stream_.avail_in == 0 && used_ == member_.packed_bytes)) {
      findings_.fatal(static_cast<std::int64_t>(member_.data_at), printable(member_.name),
                      "compressed data are damaged or end early");
    }
  }
}

void ZipReader::finish() {
  if (crc_ != member_.crc) {
    findings_.fatal(static_cast<std::int64_t>(member_.data_at), printable(member_.name),
                    "CRC-32 differs from the directory's");
  }
}

namespace {

void put(std::string& out, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
}

// The fields that local and central headers share, from "version needed" to the two lengths.
void put_common(std::string& out, std::uint32_t crc, std::uint64_t bytes, std::size_t name) {
  put(out, 20, 2);     // version 2.0
  put(out, 0x800, 2);  // names are UTF-8
  put(out, 0, 2);      // stored
  put(out, 0, 2);      // 00:00
  put(out, 0x21, 2);   // 1980-01-01
  put(out, crc, 4);
  put(out, bytes, 4);
  put(out, bytes, 4);
  put(out, name, 2);
  put(out, 0, 2);
}

std::uint32_t checksum(const std::string& header, const std::vector<std::byte>& bytes) {
  auto crc =
      ::crc32(0, reinterpret_cast<const Bytef*>(header.data()), static_cast<uInt>(header.size()));
  for (std::span<const std::byte> rest = bytes; !rest.empty();) {
    const std::size_t n = std::min<std::size_t>(rest.size(), std::size_t{1} << 30);
    crc = ::crc32(crc, reinterpret_cast<const Bytef*>(rest.data()), static_cast<uInt>(n));
    rest = rest.subspan(n);
  }
  return static_cast<std::uint32_t>(crc);
}

}  // namespace
}  // namespace detail

std::vector<NamedArray> read_npz(const std::filesystem::path& path, std::uint64_t max_bytes) {
  const ReadableFile file(path);
  detail::Findings findings(path.string());
  std::vector<NamedArray> out;
  for (const detail::ZipMember& member : detail::read_zip_directory(file, findings)) {
    out.emplace_back(detail::npz_array_name(member, findings),
                     detail::read_npz_member(file, member, max_bytes, findings));
  }
  return out;
}

std::string detail::npz_array_name(const ZipMember& member, const Findings& findings) {
  constexpr std::string_view kEnding = ".npy";
  if (!std::string_view(member.name).ends_with(kEnding)) {
    findings.fatal(static_cast<std::int64_t>(member.begin), printable(member.name),
                   "is not an npy member");
  }
  return member.name.substr(0, member.name.size() - kEnding.size());
}

NpyArray detail::read_npz_member(const ReadableFile& file, const ZipMember& member,
                                 std::uint64_t max_bytes, Findings& findings) {
  const std::string name = printable(member.name);
  if (member.bytes > max_bytes) {
    findings.fatal(static_cast<std::int64_t>(member.begin), name,
                   "expands to " + std::to_string(member.bytes) + " bytes; want at most " +
                       std::to_string(max_bytes));
  }
  ZipReader reader(file, member, findings);
  const ReadForward read = [&](std::span<std::byte> part) { reader.read(part); };
  const NpyHeader header =
      read_npy_header(read, member.bytes, member.data_at, name + ": ", findings);
  NpyArray array = read_npy_data(header, read);
  reader.finish();
  return array;
}

void write_npz(const std::filesystem::path& path, std::span<const NamedArray> arrays,
               FileSystem& files) {
  struct Part {
    std::string local;  // header, name, npy header
    const std::vector<std::byte>* bytes;
  };
  std::vector<Part> parts;
  std::set<std::string_view> names;
  std::string directory;
  std::uint64_t at = 0;
  for (const auto& [key, array] : arrays) {
    const std::string name = key + ".npy";
    const std::string header = detail::npy_header_text(array);
    const std::uint64_t bytes = header.size() + array.bytes.size();
    if (!names.insert(key).second) throw ValueError("npz: array \"" + printable(key) + "\" twice");
    if (name.size() > 65535 || at + bytes + directory.size() + 65536 > 0xFFFFFFFFu) {
      throw ValueError("npz: more than 4 GiB, or a name of more than 65535 bytes");
    }
    const std::uint32_t crc = detail::checksum(header, array.bytes);
    std::string local;
    detail::put(local, 0x04034b50u, 4);
    detail::put_common(local, crc, bytes, name.size());
    detail::put(directory, 0x02014b50u, 4);
    detail::put(directory, 20, 2);
    detail::put_common(directory, crc, bytes, name.size());
    directory.append(10, '\0');  // no comment, disk 0, attributes
    detail::put(directory, at, 4);
    directory += name;
    local += name + header;
    at += local.size() + array.bytes.size();
    parts.push_back({std::move(local), &array.bytes});
  }
  if (parts.size() >= 0xFFFF) throw ValueError("npz: more than 65534 arrays");
  std::string end;
  detail::put(end, 0x06054b50u, 4);
  detail::put(end, 0, 4);
  detail::put(end, parts.size(), 2);
  detail::put(end, parts.size(), 2);
  detail::put(end, directory.size(), 4);
  detail::put(end, at, 4);
  detail::put(end, 0, 2);
  detail::write_atomic(path, files, [&](FileSystem::Writer& writer) {
    for (const Part& part : parts) {
      writer.write(std::as_bytes(std::span(part.local)));
      writer.write(*part.bytes);
    }
    writer.write(std::as_bytes(std::span(directory)));
    writer.write(std::as_bytes(std::span(end)));
  });
}

}  // namespace sylvester::io
