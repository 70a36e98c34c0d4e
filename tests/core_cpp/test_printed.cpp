// Numbers of printed Python: what raises there raises here.
#include <cmath>
#include <limits>

#include "check.h"
#include "core/dispatch/printed.h"

using namespace flambeau;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

}  // namespace

TEST(division_by_zero_raises) {
  CHECK(printed::divided(1.0, 4.0) == 0.25 && printed::divided(int64_t{-7}, int64_t{2}) == -3.5);
  CHECK(check::throws<ZeroDivisionError>([] { printed::divided(1.0, 0.0); }, "by zero"));
  CHECK(check::throws<ZeroDivisionError>([] { printed::divided(0.0, -0.0); }, "by zero"));
  CHECK(check::throws<ZeroDivisionError>([] { printed::divided(int64_t{1}, int64_t{0}); }, "zero"));
}

TEST(ranges_end_within_64_bits) {
  CHECK(printed::next(1, 3, 8) == 4 && printed::next(4, 3, 8) == 7 && printed::next(7, 3, 8) == 8);
  CHECK(printed::next(INT64_MAX - 2, 3, INT64_MAX) == INT64_MAX);
  CHECK(printed::next(INT64_MIN + 1, -3, INT64_MIN) == INT64_MIN);
  CHECK(printed::next(INT64_MIN, INT64_MAX, INT64_MAX) == -1);
  CHECK(printed::next(INT64_MAX, INT64_MIN, INT64_MIN) == -1);
}

TEST(integers_are_compared_with_floats_exactly) {
  constexpr int64_t big = int64_t{1} << 53;
  CHECK(printed::compared(big + 1, 0x1p53) > 0 && printed::compared(big, 0x1p53) == 0);
  CHECK(printed::compared(0x1p53, big + 1) < 0 && printed::compared(0.5, int64_t{0}) > 0);
  CHECK(printed::compared(int64_t{0}, -0.5) > 0 && printed::compared(int64_t{-1}, -1.5) > 0);
  CHECK(printed::compared(INT64_MAX, 0x1p63) < 0 && printed::compared(INT64_MIN, -0x1p63) == 0);
  CHECK(printed::compared(INT64_MIN, -kInf) > 0 && printed::compared(int64_t{0}, kInf) < 0);
  const auto nan = printed::compared(int64_t{0}, std::nan(""));
  CHECK(nan != 0 && !(nan < 0) && !(nan >= 0));
}

TEST(powers_beyond_floats_raise) {
  CHECK(printed::pow(2, 10) == 1024 && printed::pow(kInf, 2) == kInf);
  CHECK(check::throws<ValueError>([] { printed::pow(10, 400); }, "math range"));
  CHECK(check::throws<ValueError>([] { printed::pow(0, -1); }, "math range"));
  CHECK(check::throws<ValueError>([] { printed::pow(-1, 0.5); }, "math range"));
}

TEST(a_float_that_is_no_integer_raises) {
  CHECK(printed::whole(-2.9) == -2 && printed::whole(-0x1p63) == INT64_MIN);
  CHECK(check::throws<memory::SizeOverflow>([] { printed::whole(0x1p63); }, "does not fit"));
  CHECK(check::throws<memory::SizeOverflow>([] { printed::whole(kInf); }, "does not fit"));
  CHECK(check::throws<ValueError>([] { printed::whole(std::nan("")); }, "NaN"));
  CHECK(printed::whole(Scalar(3.5)) == 3 && printed::whole(Scalar(int64_t{4})) == 4);
  CHECK(check::throws<memory::SizeOverflow>([] { printed::whole(Scalar(1e30)); }, "does not fit"));
  const Scalar complex(std::complex<double>(1, 1));
  CHECK(check::throws<TypeError>([&] { printed::whole(complex); }, "complex"));
}
