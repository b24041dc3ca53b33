// Progress on stderr: one redrawn line on a terminal, plain lines otherwise.
#pragma once

#include <cstdint>
#include <string>

namespace sylvester::sim {

// "1:02:03", "4:05".
std::string clock_text(double seconds);
// "[=====>     ]" of `width` characters.
std::string bar(double share, int width);

class Progress {
 public:
  explicit Progress(bool quiet);
  ~Progress();
  // On a terminal: replaces the line, at most ten times a second. Elsewhere: nothing.
  void redraw(const std::string& line);
  // A line that stays, on terminals and elsewhere.
  void line(const std::string& text);
  // True when redraw shows something.
  bool live() const noexcept { return terminal_ && !quiet_; }
  // Columns of the terminal.
  int width() const;
  // ANSI colour unless NO_COLOR is set, stderr is no terminal, or TERM=dumb.
  std::string dim(const std::string& text) const;

 private:
  void clear();
  bool quiet_;
  bool terminal_;
  bool color_;
  bool drawn_ = false;
  double last_redraw_ = -1e9;
};

}  // namespace sylvester::sim
