// The one thread pool. Work is split by the shape of the problem, never by the number of threads,
// so that results have the same bits whatever that number is.
#pragma once

#include <cstdint>
#include <type_traits>

namespace flambeau::inline v1 {

int num_threads();            // threads that a parallel region may use, the caller included
void set_num_threads(int n);  // n >= 1, else std::invalid_argument
bool in_parallel_region();    // nested regions run on the calling thread

// Runs body(context, i) for each task i in [0, tasks); tasks are taken by any thread in any order.
// Returns when all are done; the first exception thrown by a task is rethrown on the caller.
void run_tasks(int64_t tasks, void (*body)(void* context, int64_t task), void* context);

template <class F>
void parallel_tasks(int64_t tasks, F&& f) {
  using Fn = std::remove_reference_t<F>;
  if (tasks <= 1 || num_threads() == 1) {
    for (int64_t i = 0; i < tasks; ++i) f(i);
    return;
  }
  run_tasks(
      tasks, [](void* context, int64_t task) { (*static_cast<Fn*>(context))(task); },
      const_cast<void*>(static_cast<const void*>(&f)));
}

// Calls f(begin, end) over chunks of `grain` elements of [0, n): the chunks depend on n and grain
// only.
template <class F>
void parallel_for(int64_t n, int64_t grain, F&& f) {
  if (n <= 0) return;
  const int64_t tasks = (n + grain - 1) / grain;
  parallel_tasks(tasks, [&](int64_t task) {
    const int64_t begin = task * grain;
    f(begin, begin + grain < n ? begin + grain : n);
  });
}

}  // namespace flambeau::inline v1
