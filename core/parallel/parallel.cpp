#include "core/parallel/parallel.h"

#include <pthread.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>

#include "core/parallel/pool.h"
#include "core/parallel/thread_count.h"

namespace flambeau::inline v1 {
namespace {

constinit std::atomic<int> thread_count = 0;  // 0: not decided yet

// The thread that has set `busy` owns what follows it; no lock is needed, and none can be held by
// another thread when the process forks. The pool is a plain pointer so that a region can run
// while the process is torn down.
constinit std::atomic<bool> busy = false;
constinit Pool* pool = nullptr;
constinit bool torn_down = false;

bool occupy() { return !busy.exchange(true, std::memory_order_acquire); }
void vacate() { busy.store(false, std::memory_order_release); }

Pool* pool_of(int threads) {
  if (torn_down) return nullptr;
  if (pool != nullptr && pool->workers() == threads - 1) return pool;
  delete pool;
  pool = nullptr;
  return pool = new Pool(threads - 1);
}

// The child has none of the workers, and leaves the pool as it was: another thread may have been in
// the middle of changing it. A region whose task has forked still ends.
void after_fork_in_child() {
  if (inside_region && pool != nullptr) pool->forget_workers();
  pool = nullptr;
  if (!inside_region) vacate();
}

[[maybe_unused]] const int fork_handler = pthread_atfork(nullptr, nullptr, after_fork_in_child);

// Ends the workers before the code that they run can be unloaded. Other threads may still be in a
// region when the process ends: those are waited for, but not for ever.
struct Teardown {
  ~Teardown() {
    if (inside_region) return;
    for (int wait = 0; !occupy(); ++wait) {
      if (wait == 1000) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    delete pool;
    pool = nullptr;
    torn_down = true;
    vacate();
  }
};
Teardown teardown;

class Region {
 public:
  Region() : entered_(!inside_region && occupy()) { inside_region |= entered_; }
  ~Region() {
    if (!entered_) return;
    inside_region = false;
    vacate();
  }
  Region(const Region&) = delete;
  bool entered() const { return entered_; }

 private:
  const bool entered_;
};

}  // namespace

int num_threads() {
  const int count = thread_count.load(std::memory_order_relaxed);
  if (count > 0) [[likely]]
    return count;
  int undecided = 0;
  const int decided = default_num_threads();
  return thread_count.compare_exchange_strong(undecided, decided) ? decided : undecided;
}

void set_num_threads(int n) {
  if (n < 1 || n > kMaxThreads) {
    throw std::invalid_argument("set_num_threads: expected a number from 1 to " +
                                std::to_string(kMaxThreads) + ", got " + std::to_string(n));
  }
  thread_count.store(n, std::memory_order_relaxed);
}

bool in_parallel_region() { return inside_region; }

void run_tasks(int64_t tasks, void (*body)(void* context, int64_t task), void* context) {
  constexpr int64_t kMostTasks = int64_t{1} << 31;  // that a pool can count
  if (tasks > 1 && tasks < kMostTasks && num_threads() > 1) {
    const Region region;
    Pool* workers = region.entered() ? pool_of(num_threads()) : nullptr;
    if (workers != nullptr) return workers->run(tasks, body, context);
  }
  for (int64_t task = 0; task < tasks; ++task) body(context, task);
}

}  // namespace flambeau::inline v1
