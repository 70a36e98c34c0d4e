#include <sched.h>

#include <cstdlib>
#include <stdexcept>

#include "check.h"
#include "core/parallel/parallel.h"

using flambeau::num_threads;

// The number is decided at the first call, so each case has a process of its own.
template <class Body>
static bool with_variables(const char* own, const char* openmp, const Body& body) {
  return check::passes_in_child([&] {
    setenv("FLAMBEAU_NUM_THREADS", own, 1);
    setenv("OMP_NUM_THREADS", openmp, 1);
    body();
  });
}

static void allow_one_processor() {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(sched_getcpu(), &one);
  sched_setaffinity(0, sizeof(one), &one);
}

TEST(variables_decide_before_the_machine_does) {
  CHECK(with_variables("3", "2", [] { CHECK(num_threads() == 3); }));
  CHECK(with_variables("", "5", [] { CHECK(num_threads() == 5); }));
  CHECK(with_variables("", "6,2,1", [] { CHECK(num_threads() == 6); }));
  CHECK(with_variables("7", "", [] {
    allow_one_processor();
    CHECK(num_threads() == 7);
  }));
}

TEST(the_affinity_mask_bounds_the_number) {
  CHECK(with_variables("", "", [] { CHECK(num_threads() >= 1); }));
  CHECK(with_variables("", "no number", [] {
    allow_one_processor();
    CHECK(num_threads() == 1);
  }));
}

TEST(a_wrong_number_is_an_error_each_time) {
  for (const char* wrong : {"0", "-2", "many", "2x", "99999999999999999999"}) {
    CHECK(with_variables(wrong, "2", [] {
      CHECK(check::throws<std::runtime_error>(num_threads, "FLAMBEAU_NUM_THREADS="));
      CHECK(check::throws<std::runtime_error>(num_threads, "expected a positive number"));
    }));
  }
}

TEST(a_set_number_needs_no_other) {
  CHECK(with_variables("2", "", [] {
    flambeau::set_num_threads(4);
    CHECK(num_threads() == 4);
  }));
}
