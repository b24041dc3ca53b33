#include "spawn.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <sstream>

namespace sylvester::test {
namespace fs = std::filesystem;
namespace {

std::string content(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

fs::path fresh(const std::string& stem) {
  static int number = 0;
  return fs::temp_directory_path() /
         ("sylvester_" + stem + "_" + std::to_string(::getpid()) + "_" + std::to_string(number++));
}

}  // namespace

Process::Process(const std::vector<std::string>& arguments, const fs::path& folder,
                 const std::string& stdout_file)
    : out_(fresh("out")), err_(fresh("err")) {
  std::vector<std::string> words = {SYLVESTER_PROGRAM};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const std::string out = stdout_file.empty() ? out_.string() : stdout_file;
  pid_ = fork();
  if (pid_ != 0) return;
  if (chdir(folder.c_str()) != 0) _exit(126);
  const int a = open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  const int b = open(err_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  dup2(a, STDOUT_FILENO);
  dup2(b, STDERR_FILENO);
  execv(argv[0], argv.data());
  _exit(127);
}

void Process::send(int signal_number) const { ::kill(pid_, signal_number); }

Finished Process::wait() {
  int status = 0;
  waitpid(pid_, &status, 0);
  Finished f;
  f.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  f.out = content(out_);
  f.err = content(err_);
  fs::remove(out_);
  fs::remove(err_);
  return f;
}

Finished run(const std::vector<std::string>& arguments, const fs::path& folder) {
  return Process(arguments, folder).wait();
}

Program::Program() : folder_(fresh("program")) { fs::create_directories(folder_); }
Program::~Program() { fs::remove_all(folder_); }

void Program::put(const std::string& name, const std::string& text) const {
  std::ofstream(folder_ / name, std::ios::binary) << text;
}
std::string Program::read(const fs::path& name) const { return content(folder_ / name); }

std::vector<std::string> Program::listing(const fs::path& name) const {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder_ / name)) {
    const std::string file = entry.path().filename().string();
    if (file != ".lock") names.push_back(file);
  }
  std::sort(names.begin(), names.end());
  return names;
}

Finished Program::run(const std::vector<std::string>& arguments) const {
  return test::run(arguments, folder_);
}

std::string Program::source(const std::string& name) {
  return (fs::path(SYLVESTER_SOURCE) / name).string();
}

}  // namespace sylvester::test
