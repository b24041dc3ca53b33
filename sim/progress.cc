#include "progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace sylvester::sim {
namespace {

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
constexpr double kRedrawSeconds = 0.1;

}  // namespace

std::string clock_text(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "-:--";
  const auto s = static_cast<std::int64_t>(seconds + 0.5);
  if (s >= 3600) return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
  return fmt::format("{}:{:02}", s / 60, s % 60);
}

std::string bar(double share, int width) {
  const int inner = std::max(1, width - 2);
  const int full = static_cast<int>(std::clamp(share, 0.0, 1.0) * inner);
  std::string out(static_cast<std::size_t>(full), '=');
  if (full < inner) out += '>';
  out.resize(static_cast<std::size_t>(inner), ' ');
  return "[" + out + "]";
}

Progress::Progress(bool quiet) : quiet_(quiet), terminal_(isatty(STDERR_FILENO) == 1) {
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  const bool dumb = term != nullptr && std::string_view(term) == "dumb";
  color_ = terminal_ && !dumb && (no_color == nullptr || *no_color == '\0');
}

Progress::~Progress() { clear(); }

int Progress::width() const {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

void Progress::clear() {
  if (!drawn_) return;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
  drawn_ = false;
}

void Progress::redraw(const std::string& line) {
  if (!live()) return;
  const double now = now_seconds();
  if (now - last_redraw_ < kRedrawSeconds) return;
  last_redraw_ = now;
  const auto columns = static_cast<std::size_t>(std::max(1, width() - 1));
  std::fputs(("\r\033[K" + line.substr(0, columns)).c_str(), stderr);
  std::fflush(stderr);
  drawn_ = true;
}

void Progress::line(const std::string& text) {
  if (quiet_) return;
  clear();
  std::fputs((text + "\n").c_str(), stderr);
  std::fflush(stderr);
}

std::string Progress::dim(const std::string& text) const {
  return color_ ? "\033[2m" + text + "\033[0m" : text;
}

}  // namespace sylvester::sim
