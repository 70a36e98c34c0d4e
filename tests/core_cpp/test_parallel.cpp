#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include "check.h"
#include "core/parallel/parallel.h"

using namespace flambeau;

namespace {

// Each task exactly once, whatever threads there are.
bool runs_all(int64_t tasks) {
  std::vector<std::atomic<int>> counts(static_cast<size_t>(tasks));
  parallel_tasks(tasks, [&](int64_t task) { ++counts[static_cast<size_t>(task)]; });
  for (const auto& count : counts) {
    if (count != 1) return false;
  }
  return true;
}

class Threads {  // for the rest of a test
 public:
  explicit Threads(int n) : before_(num_threads()) { set_num_threads(n); }
  ~Threads() { set_num_threads(before_); }

 private:
  int before_;
};

}  // namespace

TEST(each_task_runs_once) {
  for (int threads : {1, 2, 3, 8}) {
    const Threads scope(threads);
    for (int64_t tasks : {0, 1, 2, 3, 7, 64, 1000}) CHECK(runs_all(tasks));
    for (int i = 0; i < 2000; ++i) CHECK(runs_all(5));
  }
}

TEST(chunks_depend_on_size_and_grain_only) {
  for (int threads : {1, 4}) {
    const Threads scope(threads);
    std::vector<std::atomic<int64_t>> ends(11);
    parallel_for(103, 10, [&](int64_t begin, int64_t end) { ends[begin / 10] = end; });
    for (int64_t chunk = 0; chunk < 11; ++chunk) {
      CHECK(ends[chunk] == (chunk < 10 ? chunk * 10 + 10 : 103));
    }
    parallel_for(0, 10, [&](int64_t, int64_t) { CHECK(false); });
  }
}

TEST(long_tasks_run_on_as_many_threads_as_are_allowed) {
  const Threads scope(3);
  std::atomic<int> running = 0, most = 0;
  parallel_tasks(6, [&](int64_t) {
    const int now = ++running;
    for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    --running;
  });
  CHECK(most == 3);
}

TEST(regions_within_tasks_run_on_the_thread_that_meets_them) {
  const Threads scope(4);
  CHECK(!in_parallel_region());
  parallel_tasks(8, [&](int64_t) {
    CHECK(in_parallel_region());
    const auto self = std::this_thread::get_id();
    parallel_tasks(5, [&](int64_t) { CHECK(std::this_thread::get_id() == self); });
  });
  CHECK(!in_parallel_region());
}

TEST(an_exception_reaches_the_caller) {
  for (int threads : {1, 4}) {
    const Threads scope(threads);
    for (int64_t thrower : {0, 3, 63}) {
      auto region = [&] {
        parallel_tasks(64, [&](int64_t task) {
          if (task == thrower) throw std::out_of_range("task");
        });
      };
      CHECK(check::throws<std::out_of_range>(region, "task"));
      CHECK(!in_parallel_region());
      CHECK(runs_all(64));
    }
    auto all_throw = [] { parallel_tasks(64, [](int64_t) { throw std::logic_error("each"); }); };
    for (int i = 0; i < 100; ++i) CHECK(check::throws<std::logic_error>(all_throw, "each"));
  }
}

TEST(threads_may_call_at_once_and_change_the_number) {
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([caller] {
      for (int i = 0; i < 2000; ++i) {
        CHECK(runs_all(1 + i % 9));
        if (caller == 0 && i % 250 == 0) set_num_threads(1 + i / 250);
      }
    });
  }
  const Threads scope(2);
  for (std::thread& caller : callers) caller.join();
}

TEST(a_number_of_threads_must_be_positive) {
  CHECK(check::throws<std::invalid_argument>([] { set_num_threads(0); }, "got 0"));
  CHECK(check::throws<std::invalid_argument>([] { set_num_threads(-3); }, "set_num_threads"));
}

TEST(a_forked_child_has_a_pool_of_its_own) {
  const Threads scope(4);
  CHECK(runs_all(100));
  CHECK(check::passes_in_child([] {
    CHECK(num_threads() == 4);
    CHECK(runs_all(1000));
    CHECK(check::passes_in_child([] { CHECK(runs_all(1000)); }));
  }));
  CHECK(runs_all(100));
}

TEST(a_child_can_be_forked_while_others_are_in_regions) {
  const Threads scope(3);
  std::atomic<bool> stop = false;
  std::vector<std::thread> busy;
  for (int t = 0; t < 2; ++t) {
    busy.emplace_back([&] {
      for (int i = 0; !stop; ++i) {
        CHECK(runs_all(10));
        if (i % 100 == 0) set_num_threads(2 + i / 100 % 3);
      }
    });
  }
  for (int i = 0; i < 50; ++i) {
    CHECK(check::passes_in_child([] {
      for (int k = 0; k < 20; ++k) CHECK(runs_all(20));
    }));
  }
  stop = true;
  for (std::thread& thread : busy) thread.join();
}

TEST(a_task_may_fork) {
  const Threads scope(3);
  std::atomic<int> good = 0;
  parallel_tasks(6, [&](int64_t) { good += check::passes_in_child([] { CHECK(runs_all(10)); }); });
  CHECK(good == 6);
}
