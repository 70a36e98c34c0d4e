#include <cstdlib>
#include <stdexcept>
#include <string>

#include "check.h"
#include "core/parallel/isa.h"

using flambeau::Isa;
using flambeau::isa;

// The choice is made once per process, so each case has its own.
template <class Body>
static bool with_variable(const char* value, const Body& body) {
  return check::passes_in_child([&] {
    setenv("FLAMBEAU_ISA", value, 1);
    body();
  });
}

TEST(a_lower_set_can_be_asked_for) {
  CHECK(with_variable("baseline", [] {
    CHECK(isa() == Isa::baseline);
    CHECK(!flambeau::has_avx512_bf16() && !flambeau::has_avx512_vnni());
  }));
}

TEST(an_empty_value_is_none) {
  CHECK(with_variable("", [] { CHECK(isa() >= Isa::baseline); }));
}

TEST(an_unknown_set_is_an_error_each_time) {
  CHECK(with_variable("sse9", [] {
    CHECK(check::throws<std::runtime_error>(isa, "sse9"));
    CHECK(check::throws<std::runtime_error>(isa, "expected baseline, avx2 or avx512"));
  }));
}

TEST(all_up_to_the_best_are_offered_and_none_above) {
  for (Isa set : {Isa::baseline, Isa::avx2, Isa::avx512}) {
    CHECK(with_variable(isa_name(set), [set] {
      try {
        CHECK(isa() == set);
      } catch (const std::runtime_error& error) {
        unsetenv("FLAMBEAU_ISA");
        CHECK(isa() < set);
        CHECK(std::string(error.what()).find("offers no more than") != std::string::npos);
      }
    }));
  }
}
