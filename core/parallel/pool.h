// The worker threads behind run_tasks.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <thread>
#include <vector>

#include "core/parallel/spin.h"

namespace flambeau::inline v1 {

// Whether this thread runs a task: regions within a task run on the thread that meets them.
extern thread_local constinit bool inside_region [[gnu::tls_model("initial-exec")]];

using TaskBody = void (*)(void* context, int64_t task);

// One region at a time. The caller takes tasks like any worker, and waits only for workers that
// have joined: one that the system has not run yet cannot hold up a region, it finds it closed.
//
// Note [Shares]
// Tasks are cut into shares of neighbours, one for each thread, which takes those of its own share
// first and then what is left of others'. So a thread meets the same part of the data in region
// after region, and finds it in its own caches: where processors share none, to fetch it from
// another's may cost more than the work.
class Pool {
 public:
  explicit Pool(int workers);
  ~Pool();
  Pool(const Pool&) = delete;

  int workers() const { return wanted_workers_; }
  void run(int64_t tasks, TaskBody body, void* context);

  void forget_workers();  // in a forked child, which has none of them

 private:
  // state_: the number of the region, whether it may be joined, whether workers are to end, and
  // how many workers are in it. The region's number keeps a worker from joining it twice.
  static constexpr uint32_t kActive = (1u << 14) - 1, kStop = 1u << 14, kOpen = 1u << 15;
  static constexpr uint32_t region(uint32_t state) { return state >> 16; }

  static constexpr int64_t kMostShares = 16;  // threads beyond share them
  struct alignas(64) Share {
    std::atomic<uint64_t> taken = 0;  // the epoch, and how many tasks have been taken in it
  };

  void work(int thread);
  struct Worker {
    uint32_t last_region = 0;
    int64_t moved_at = 0;
    Spinner spinner;
  };
  uint32_t await_region(Worker& worker);
  bool leave_processor_of_caller(Worker& worker) const;
  void await_workers();
  void take_tasks(int thread);
  int64_t take_from(int64_t share);  // or -1
  void leave();
  void wake_workers();

  alignas(64) std::atomic<uint32_t> state_ = 0;
  Share shares_[kMostShares];
  alignas(64) std::atomic<uint32_t> sleeping_workers_ = 0;
  std::atomic<uint32_t> caller_sleeps_ = 0;
  // Of the region: written by the caller before it opens, read by those who have joined.
  alignas(64) int64_t tasks_ = 0, share_count_ = 1;
  uint32_t epoch_ = 0;
  TaskBody body_ = nullptr;
  void* context_ = nullptr;
  std::atomic<int> caller_cpu_ = -1;
  std::atomic<bool> failed_ = false;
  std::exception_ptr error_;

  Spinner caller_spinner_;
  const int wanted_workers_;
  const std::vector<int> cpus_;
  std::vector<std::thread> threads_;
};

}  // namespace flambeau::inline v1
