#include "core/parallel/pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "core/parallel/affinity.h"
#include "core/parallel/futex.h"

namespace flambeau::inline v1 {
namespace {

// Each thread that is woken wakes this many more, which reaches many threads sooner than when the
// caller wakes them one after the other.
constexpr int64_t kWakeAtOnce = 2;

constexpr int64_t kBetweenMoves = 2'000'000;  // nanoseconds

}  // namespace

thread_local constinit bool inside_region = false;

Pool::Pool(int workers) : wanted_workers_(workers), cpus_(allowed_cpus()) {
  threads_.reserve(static_cast<size_t>(workers));
  // Signals are for the program's own threads.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    while (static_cast<int>(threads_.size()) < workers) {
      const int thread = static_cast<int>(threads_.size()) + 1;
      threads_.emplace_back([this, thread] { work(thread); });
    }
  } catch (const std::system_error&) {
    // The system allows no more threads: the pool works with those it has.
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Pool::~Pool() {
  state_.fetch_or(kStop);
  futex_wake(state_, INT32_MAX);
  for (std::thread& thread : threads_) thread.join();
}

void Pool::run(int64_t tasks, TaskBody body, void* context) {
  tasks_ = tasks;
  body_ = body;
  context_ = context;
  failed_.store(false, std::memory_order_relaxed);
  share_count_ = std::min({tasks, std::ssize(threads_) + 1, kMostShares});
  ++epoch_;
  caller_cpu_.store(sched_getcpu(), std::memory_order_relaxed);
  const uint32_t next_region = region(state_.load(std::memory_order_relaxed)) + 1;
  state_.store(next_region << 16 | kOpen);
  wake_workers();
  take_tasks(0);
  state_.fetch_and(~kOpen);
  await_workers();
  if (failed_.load(std::memory_order_relaxed)) {
    std::rethrow_exception(std::exchange(error_, nullptr));
  }
}

void Pool::forget_workers() { state_.fetch_and(~kActive); }

void Pool::work(int thread) {
  pthread_setname_np(pthread_self(), "flambeau");
  inside_region = true;
  for (Worker worker;;) {
    uint32_t state = await_region(worker);
    if (state & kStop) return;
    if (!state_.compare_exchange_strong(state, state + 1)) continue;
    worker.last_region = region(state);
    wake_workers();
    take_tasks(thread);
    leave();
  }
}

uint32_t Pool::await_region(Worker& worker) {
  auto arrived = [&](uint32_t state) {
    return (state & kStop) || ((state & kOpen) && region(state) != worker.last_region);
  };
  worker.spinner.begin();
  uint32_t state;
  while (!arrived(state = state_.load(std::memory_order_acquire))) {
    if (leave_processor_of_caller(worker) && worker.spinner.again()) continue;
    // Counted before the last look: either the caller sees a sleeper to wake, or this sees its
    // region, or the state has changed by the time of the wait and there is none.
    sleeping_workers_.fetch_add(1);
    state = state_.load();
    if (!arrived(state)) futex_wait(state_, state);
    sleeping_workers_.fetch_sub(1);
    worker.spinner.end();
    worker.spinner.begin();
  }
  worker.spinner.end();
  return state;
}

// A worker that the system has placed on the caller's processor is of no use there, and would only
// keep the caller from it by spinning. Sleeping does not help: on a machine of few processors the
// system wakes it in the same place, even where another is idle. So it moves, though not often, as
// callers may take turns.
bool Pool::leave_processor_of_caller(Worker& worker) const {
  const int callers = caller_cpu_.load(std::memory_order_relaxed);
  if (sched_getcpu() != callers) [[likely]]
    return true;
  const int64_t now = nanoseconds();
  if (now - worker.moved_at < kBetweenMoves) return false;
  worker.moved_at = now;
  worker.spinner.begin();
  return move_off(callers, cpus_);
}

void Pool::await_workers() {
  caller_spinner_.begin();
  while (state_.load(std::memory_order_acquire) & kActive) {
    if (caller_spinner_.again()) continue;
    caller_sleeps_.store(1);
    if (state_.load() & kActive) futex_wait(caller_sleeps_, 1);
    caller_sleeps_.store(0);
    caller_spinner_.begin();
  }
}

void Pool::leave() {
  const uint32_t state = state_.fetch_sub(1) - 1;
  if (!(state & (kOpen | kActive)) && caller_sleeps_.exchange(0) == 1)
    futex_wake(caller_sleeps_, 1);
}

void Pool::take_tasks(int thread) {
  for (int64_t k = 0; k < share_count_; ++k) {
    const int64_t share = (thread + k) % share_count_;
    for (int64_t task; (task = take_from(share)) >= 0;) {
      if (failed_.load(std::memory_order_relaxed)) return;
      try {
        body_(context_, task);
      } catch (...) {
        if (!failed_.exchange(true)) error_ = std::current_exception();
      }
    }
  }
}

// A share whose epoch is another has not been touched in this region: epochs come back after four
// billion regions, and none is left out as often.
int64_t Pool::take_from(int64_t share) {
  std::atomic<uint64_t>& taken = shares_[share].taken;
  const int64_t first = share * tasks_ / share_count_;
  const int64_t length = (share + 1) * tasks_ / share_count_ - first;
  uint64_t seen = taken.load(std::memory_order_relaxed);
  for (;;) {
    const int64_t count = seen >> 32 == epoch_ ? static_cast<uint32_t>(seen) : 0;
    if (count >= length) return -1;
    const uint64_t next = uint64_t{epoch_} << 32 | static_cast<uint64_t>(count + 1);
    if (taken.compare_exchange_weak(seen, next, std::memory_order_relaxed)) return first + count;
  }
}

void Pool::wake_workers() {
  const int64_t sleeping = sleeping_workers_.load();
  const int64_t awake = static_cast<int64_t>(threads_.size()) - sleeping;
  const int64_t count = std::min({tasks_ - 1 - awake, sleeping, kWakeAtOnce});
  if (count > 0) futex_wake(state_, static_cast<int>(count));
}

}  // namespace flambeau::inline v1
