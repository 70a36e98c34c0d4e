#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/cpu/fft/fft.h"
#include "kernels/cpu/pointwise/pointwise.h"

namespace flambeau::inline v1::cpu {
namespace {

// f of the place in the window, from 0 at its first element to 1 where it ends.
template <class F>
void fill_window(const Tensor& out, bool periodic, F&& f) {
  const int64_t n = out.numel();
  if (n == 0) return;
  const Tensor made = empty(out.sizes(), {DType::float64, out.device(), out.layout()});
  const auto span = static_cast<double>(periodic ? n : n - 1);
  for (int64_t i = 0; i < n; ++i)
    made.data<double>()[i] = n == 1 ? 1.0 : f(static_cast<double>(i) / span);
  copy(out, made);
}

// The modified Bessel function of order 0: a sum of positive terms.
double bessel_i0(double x) {
  double sum = 1, term = 1;
  for (int k = 1; term > sum * 1e-17 && k < 2000; ++k) {
    term *= x / (2 * k) * (x / (2 * k));
    sum += term;
  }
  return sum;
}

}  // namespace

void cosine_window(const Tensor& out, bool periodic, double constant, double first, double second) {
  fill_window(out, periodic, [&](double place) {
    const double angle = 2 * std::numbers::pi * place;
    return constant - first * std::cos(angle) + second * std::cos(2 * angle);
  });
}

void bartlett_window(const Tensor& out, bool periodic) {
  fill_window(out, periodic, [](double place) { return 1 - std::abs(2 * place - 1); });
}

void kaiser_window(const Tensor& out, bool periodic, double beta) {
  const double whole = bessel_i0(beta);
  fill_window(out, periodic, [&](double place) {
    const double x = 2 * place - 1;
    return bessel_i0(beta * std::sqrt(std::max(0.0, 1 - x * x))) / whole;
  });
}

}  // namespace flambeau::inline v1::cpu
