// Checkpoints under failing calls, power cuts and kill -9: the last good one always loads.
#include "sylvester/io/checkpoint.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "io/fault_files.h"
#include "io/io_test_util.h"
#include "sylvester/io/tensor_file.h"

namespace sylvester::io {
namespace {

namespace fs = std::filesystem;
using test::FaultFiles;
using test::TemporaryFolder;

fs::path folder_of(const fs::path& run, std::int64_t step) {
  return run / ("checkpoint-" + std::to_string(step));
}

// A small checkpoint whose contents are a function of the step: a tensor file, a nested text.
void save(const fs::path& run, std::int64_t step, FileSystem& files = system_files(),
          std::size_t floats = 500) {
  write_folder_atomic(
      folder_of(run, step),
      [&](const fs::path& folder) {
        const std::vector<float> x(floats, static_cast<float>(step));
        const NamedBytes tensors[] = {
            {"x", "F32", {static_cast<std::int64_t>(floats)}, std::as_bytes(std::span(x))}};
        write_safetensors(folder / "model.safetensors", tensors, {}, files);
        files.create_folder(folder / "extra");
        write_file_atomic(folder / "extra/state.json", "{\"step\":" + std::to_string(step) + "}",
                          files);
      },
      files);
}

// The step that the newest valid checkpoint says it is, -1 when there is none.
std::int64_t newest(const fs::path& run) {
  const auto entry = newest_valid_checkpoint(run);
  if (!entry) return -1;
  const auto file = open_safetensors(entry->folder / "model.safetensors");
  std::vector<float> x(static_cast<std::size_t>(file->info("x").shape[0]));
  file->read_float32(file->info("x"), x);
  EXPECT_EQ(std::count(x.begin(), x.end(), static_cast<float>(entry->step)),
            static_cast<std::ptrdiff_t>(x.size()));
  EXPECT_EQ(test::read_text(entry->folder / "extra/state.json"),
            "{\"step\":" + std::to_string(entry->step) + "}");
  return entry->step;
}

int temporaries(const fs::path& run) {
  int n = 0;
  for (const auto& e : fs::directory_iterator(run)) {
    n += e.path().filename().string().find(".tmp-") != std::string::npos;
  }
  return n;
}

TEST(Checkpoint, SaveListVerifyPrune) {
  const TemporaryFolder run;
  EXPECT_EQ(newest(run.path() / "absent"), -1);
  for (const int step : {100, 9, 20}) save(run.path(), step);
  run.write("checkpoint-x", "");
  fs::create_directory(run.path() / "checkpoint-12a");
  fs::create_directory(run.path() / "checkpoint--5");
  const auto all = list_checkpoints(run.path());
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].step, 9);
  EXPECT_EQ(all[2].step, 100);
  EXPECT_EQ(newest(run.path()), 100);
  EXPECT_THROW(prune_checkpoints(run.path(), 0), ValueError);
  prune_checkpoints(run.path(), 2);
  ASSERT_EQ(list_checkpoints(run.path()).size(), 2u);
  EXPECT_EQ(list_checkpoints(run.path())[0].step, 20);
}

TEST(Checkpoint, SavingAgainReplaces) {
  for (const bool can_exchange : {true, false}) {
    const TemporaryFolder run;
    FaultFiles files;
    files.can_exchange = can_exchange;
    save(run.path(), 1, files, 10);
    save(run.path(), 1, files, 20);
    EXPECT_EQ(open_safetensors(folder_of(run.path(), 1) / "model.safetensors")->info("x").shape[0],
              20);
    EXPECT_EQ(newest(run.path()), 1);
    EXPECT_EQ(temporaries(run.path()), 0);
  }
}

TEST(Checkpoint, DamageIsNamedAndSkipped) {
  const TemporaryFolder run;
  save(run.path(), 1);
  const auto damage = [&](const std::string& says, const std::function<void(const fs::path&)>& f) {
    SCOPED_TRACE(says);
    save(run.path(), 2);
    f(folder_of(run.path(), 2));
    std::vector<std::string> warnings;
    const auto got =
        newest_valid_checkpoint(run.path(), [&](const std::string& w) { warnings.push_back(w); });
    ASSERT_TRUE(got.has_value());
    EXPECT_EQ(got->step, 1);
    ASSERT_EQ(warnings.size(), 1u);
    EXPECT_NE(warnings[0].find(says), std::string::npos) << warnings[0];
    EXPECT_NE(warnings[0].find("checkpoint-2"), std::string::npos) << warnings[0];
    fs::remove_all(folder_of(run.path(), 2));
  };
  const auto overwrite = [](const fs::path& p, const std::string& text) {
    std::ofstream(p, std::ios::binary) << text;
  };
  damage("missing: the folder was not written completely",
         [](const fs::path& f) { fs::remove(f / "MANIFEST.json"); });
  damage("file is missing", [](const fs::path& f) { fs::remove(f / "extra/state.json"); });
  damage("is not in MANIFEST.json", [&](const fs::path& f) { overwrite(f / "new.txt", ""); });
  damage("bytes; MANIFEST.json says", [](const fs::path& f) {
    fs::resize_file(f / "model.safetensors", fs::file_size(f / "model.safetensors") - 1);
  });
  damage("xxh64", [&](const fs::path& f) { overwrite(f / "extra/state.json", "{\"step\":7}"); });
  damage("this program reads 1", [&](const fs::path& f) {
    overwrite(f / "MANIFEST.json", "{\"version\":2,\"files\":{}}");
  });
  damage("file is missing", [&](const fs::path& f) {
    std::string text = test::read_text(f / "MANIFEST.json");
    text.replace(text.find("\"files\": {") + 10, 0,
                 "\"../../etc/passwd\":{\"bytes\":1,\"xxh64\":\"0\"},");
    overwrite(f / "MANIFEST.json", text);
  });
  damage("not a regular file", [](const fs::path& f) { fs::create_symlink("/dev/zero", f / "z"); });
}

// Each of 1,000 flipped bits is found.
TEST(Checkpoint, FlippedBitsAreFound) {
  const TemporaryFolder run;
  save(run.path(), 3);
  const auto folder = folder_of(run.path(), 3);
  const std::string names[] = {"model.safetensors", "extra/state.json", "MANIFEST.json"};
  std::mt19937 rng(11);
  const auto flip = [](const fs::path& path, std::uint64_t bit) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(bit / 8));
    const auto byte = static_cast<char>(file.get() ^ (1 << bit % 8));
    file.seekp(static_cast<std::streamoff>(bit / 8));
    file.put(byte);
    return byte;
  };
  for (int i = 0; i < 1000; ++i) {
    const fs::path path = folder / names[i % 3];
    const std::uint64_t bit = rng() % (8 * fs::file_size(path));
    const auto changed = static_cast<unsigned char>(flip(path, bit));
    bool found = false;
    try {
      verify_folder(folder);
    } catch (const FormatError&) {
      found = true;
    }
    // White space in the manifest may change into other white space.
    EXPECT_TRUE(found || (i % 3 == 2 && std::isspace(changed) != 0))
        << path << " bit " << bit << ", seed 11";
    flip(path, bit);
  }
  verify_folder(folder);
}

// SQLite's scheme: fail call N, for N upward until nothing fails. After every failure the older
// checkpoint is there and no temporary is left.
TEST(Checkpoint, EveryFailingCallLeavesTheLastGoodOne) {
  for (const bool replace : {false, true}) {
    int failures = 0;
    for (std::int64_t n = 1;; ++n) {
      SCOPED_TRACE("failing call " + std::to_string(n));
      const TemporaryFolder run;
      FaultFiles quiet;  // without real fsyncs, which are slow
      save(run.path(), 1, quiet);
      if (replace) save(run.path(), 2, quiet);
      FaultFiles files;
      files.fail_at = n;
      bool failed = false;
      try {
        save(run.path(), 2, files);
      } catch (const IoError& e) {
        failed = true;
        EXPECT_EQ(e.error_number(), ENOSPC);
      }
      // Once the new name is there the save may count: the last steps are a sync and clean-up.
      const std::int64_t got = newest(run.path());
      EXPECT_TRUE(got == (replace ? 2 : 1) || got == 2) << got;
      if (!failed && files.calls < n) break;
      ++failures;
      ASSERT_LT(n, 100);
    }
    EXPECT_GT(failures, 15);
  }
}

// The power fails at call N and un-synced bytes are kept, cut or torn: the older checkpoint or the
// whole new one loads, and pruning clears the rest.
TEST(Checkpoint, PowerCutAtEveryCall) {
  for (const bool can_exchange : {true, false}) {
    for (std::int64_t n = 1;; ++n) {
      SCOPED_TRACE("power cut at call " + std::to_string(n));
      const TemporaryFolder run;
      FaultFiles quiet;
      save(run.path(), 1, quiet);
      FaultFiles files;
      files.can_exchange = can_exchange;
      files.cut_at = n;
      bool cut = false;
      try {
        save(run.path(), 2, files);
      } catch (const test::PowerCut&) {
        cut = true;
      }
      std::mt19937 rng(static_cast<unsigned>(n));
      if (cut) files.lose_unsynced(rng);
      const std::int64_t got = newest(run.path());
      EXPECT_TRUE(got == 1 || got == 2) << got;
      if (!cut) {
        EXPECT_EQ(got, 2);
        break;
      }
      prune_checkpoints(run.path(), 1);
      EXPECT_EQ(newest(run.path()), got);
      EXPECT_EQ(temporaries(run.path()), 0);
      ASSERT_LT(n, 100);
    }
  }
}

// A child saves checkpoints without end and is killed at a random time, 50 times.
TEST(Checkpoint, KillNineDuringSaveFiftyTimes) {
  const TemporaryFolder run;
  save(run.path(), 0);
  std::mt19937 rng(3);
  std::int64_t last = 0;
  for (int round = 0; round < 50; ++round) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      for (std::int64_t step = last + 1;; ++step) {
        try {
          save(run.path(), step, system_files(), 200'000);
          prune_checkpoints(run.path(), 2);
        } catch (...) {
          ::_exit(1);
        }
      }
    }
    ::usleep(static_cast<useconds_t>(rng() % 20'000));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself, status " << status;
    const std::int64_t got = newest(run.path());
    ASSERT_GE(got, last) << "round " << round;
    last = got;
    prune_checkpoints(run.path(), 2);
    ASSERT_EQ(temporaries(run.path()), 0);
  }
}

TEST(Checkpoint, FolderLockIsExclusive) {
  const TemporaryFolder run;
  {
    const FolderLock lock(run.path());
    const pid_t child = ::fork();
    if (child == 0) {
      try {
        const FolderLock second(run.path());
        ::_exit(1);
      } catch (const IoError& e) {
        const bool named = std::string(e.what()).find("in use by process") != std::string::npos;
        ::_exit(named ? 0 : 2);
      }
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(WEXITSTATUS(status), 0);
  }
  EXPECT_NO_THROW(FolderLock(run.path()));
  EXPECT_THROW(FolderLock(run.path() / "absent"), IoError);
}

// The operating system's own failures reach the caller and leave the old file whole.
TEST(FileSystem, RealFailures) {
  EXPECT_THROW(read_file("/dev/zero"), IoError);
  EXPECT_THROW(read_file("/"), IoError);
  EXPECT_THROW(read_file("/absent"), IoError);
  const TemporaryFolder folder;
  ASSERT_EQ(::mkfifo((folder.path() / "fifo").c_str(), 0600), 0);
  EXPECT_THROW(read_file(folder.path() / "fifo"), IoError);
  fs::create_symlink("loop", folder.path() / "loop");
  EXPECT_THROW(read_file(folder.path() / "loop"), IoError);
  EXPECT_THROW(open_model_tensors(folder.path() / "loop"), IoError);
  EXPECT_THROW(prune_checkpoints(folder.path() / "absent", 1), IoError);
  // A full device: write or close reports it.
  const auto full = system_files().append("/dev/full");
  EXPECT_THROW(full->write(std::as_bytes(std::span("x", 1))), IoError);
  // A file size limit (RLIMIT_FSIZE) in a child, so that it does not outlive the test.
  const auto path = folder.write("a.bin", "old");
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1000, 1000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    try {
      write_file_atomic(path, std::string(5000, 'x'));
      ::_exit(1);
    } catch (const IoError& e) {
      ::_exit(e.error_number() == EFBIG ? 0 : 2);
    }
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(test::read_text(path), "old");
  EXPECT_EQ(temporaries(folder.path()), 0);
}

}  // namespace
}  // namespace sylvester::io
