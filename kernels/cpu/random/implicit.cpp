#include "kernels/cpu/random/implicit.h"

#include <cmath>
#include <limits>

#include "kernels/math/gamma.h"

namespace flambeau::inline v1 {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kTiny = 1e-300;  // in place of a denominator of 0
constexpr int kTerms = 20000;     // series and fractions take some multiples of sqrt(shape)
constexpr double kClose = 1e-16;

double digamma(double x) { return math::digamma(x); }

// A number with its derivative.
struct Dual {
  double value, slope;
};
Dual operator+(Dual a, Dual b) { return {a.value + b.value, a.slope + b.slope}; }
Dual operator-(Dual a, Dual b) { return {a.value - b.value, a.slope - b.slope}; }
Dual operator*(Dual a, Dual b) {
  return {a.value * b.value, a.value * b.slope + a.slope * b.value};
}
Dual operator/(Dual a, Dual b) {
  const double quotient = a.value / b.value;
  return {quotient, (a.slope - quotient * b.slope) / b.value};
}
Dual constant(double value) { return {value, 0}; }
Dual not_zero(Dual a) { return std::fabs(a.value) < kTiny ? Dual{kTiny, a.slope} : a; }

// first + part(1).a / (part(1).b + part(2).a / (part(2).b + ...)), by Lentz's method.
struct Part {
  Dual a, b;
};
template <class F>
Dual fraction(Dual first, const F& part) {
  Dual result = not_zero(first), c = result, d = constant(0);
  for (int i = 1; i < kTerms; ++i) {
    const Part p = part(i);
    d = constant(1) / not_zero(p.b + p.a * d);
    c = not_zero(p.b + p.a / c);
    const Dual factor = c * d;
    result = result * factor;
    if (std::fabs(factor.value - 1) < kClose && std::fabs(factor.slope) < kClose) break;
  }
  return result;
}

// From the lower tail: F / p = x / a times this sum of x^n / ((a + 1) ... (a + n)).
Dual lower_sum(double a, double x) {
  double term = 1, sum = 1, harmonic = 0, slope = 0;
  for (int n = 1; n < kTerms; ++n) {
    term *= x / (a + n);
    harmonic += 1 / (a + n);
    sum += term;
    slope -= term * harmonic;
    if (term * (1 + harmonic) < kClose * sum && x < a + n) break;
  }
  return {sum, slope};
}

double gamma_slope_below(double a, double x) {
  const Dual sum = lower_sum(a, x);
  return -(x / a) * (sum.value * (std::log(x) - digamma(a + 1)) + sum.slope);
}

// From the upper tail: (1 - F) / p = x / (x + 1 - a - (1 - a) / (x + 3 - a - 2 (2 - a) / ...)).
Dual upper_fraction(double a, double x) {
  const Dual shape{a, 1};
  const Dual below = fraction(constant(x + 1) - shape, [&](int i) {
    return Part{constant(i) * (shape - constant(i)), constant(x + 2 * i + 1) - shape};
  });
  return constant(x) / below;
}

double gamma_slope_above(double a, double x) {
  const Dual tail = upper_fraction(a, x);
  return tail.slope + tail.value * (std::log(x) - digamma(a));
}

// x^a exp(-x) / gamma(a + 1), whose large parts meet before they are rounded.
double gamma_power(double a, double x) {
  if (a < 10) return std::exp(a * std::log(x) - x - math::lgamma(a + 1));
  const double away = (x - a) / a, square = a * a;
  const double stirling = (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / a;
  const double sqrt_2pi = 2.50662827463100050242;
  return std::exp(a * (std::log1p(away) - away) - stirling) / (sqrt_2pi * std::sqrt(a));
}

// For large shapes: the normal number z whose Cornish-Fisher expansion is x, by Newton's method,
// and the derivative of the expansion with the shape while z stays.
double gamma_slope_far(double a, double x) {
  const double r = 1 / std::sqrt(a);
  double z = (x - a) * r;
  for (int i = 0; i < 20; ++i) {
    const double zz = z * z;
    const double value =
        z +
        r * ((zz - 1) / 3 + r * ((zz * z - 7 * z) / 36 - r * (3 * zz * zz + 7 * zz - 16) / 810));
    const double slope =
        1 + r * (2 * z / 3 + r * ((3 * zz - 7) / 36 - r * (12 * zz * z + 14 * z) / 810));
    const double step = (value - (x - a) * r) / slope;
    z -= step;
    if (!(std::fabs(step) > 1e-14 * (1 + std::fabs(z)))) break;
  }
  const double zz = z * z;
  return 1 + r * (z / 2 + r * r * (-(zz * z - 7 * z) / 72 + r * (3 * zz * zz + 7 * zz - 16) / 810));
}

// I(y; first, second), the share of Beta(first, second) below y, over its density times y (1 - y),
// is this fraction over `first`.
Dual beta_fraction(Dual first, Dual second, double y) {
  const Dual sum = first + second, one = constant(1);
  const Dual below = fraction(one, [&](int i) {
    const Dual m = constant(i / 2);
    const Dual step = first + constant(i);
    const Dual a = i % 2 ? constant(-y) * (first + m) * (sum + m) / ((step - one) * step)
                         : constant(y) * m * (second - m) / ((step - one) * step);
    return Part{a, one};
  });
  return one / below;
}

}  // namespace

double gamma_share(double shape, double x) {
  if (!(shape >= 0) || !(x >= 0) || (std::isinf(shape) && std::isinf(x))) return kNaN;
  if (shape == 0) return x > 0 ? 1 : kNaN;
  if (x == 0 || std::isinf(shape)) return 0;
  if (std::isinf(x)) return 1;
  if (x < shape + 1) return gamma_power(shape, x) * lower_sum(shape, x).value;
  return 1 - gamma_share_above(shape, x);
}

double gamma_share_above(double shape, double x) {
  if (!(shape >= 0) || !(x >= 0) || (std::isinf(shape) && std::isinf(x))) return kNaN;
  if (shape == 0) return x > 0 ? 0 : kNaN;
  if (x == 0 || std::isinf(shape)) return 1;
  if (std::isinf(x)) return 0;
  if (x < shape + 1) return 1 - gamma_share(shape, x);
  return gamma_power(shape, x) * shape / x * upper_fraction(shape, x).value;
}

double gamma_slope(double shape, double x) {
  if (!(shape > 0) || !(x > 0) || std::isinf(shape) || std::isinf(x)) {
    return x == 0 && shape > 0 ? 0 : kNaN;
  }
  const double spread = std::fabs(x - shape) / std::sqrt(shape);
  if (shape > 1e4 && spread < 20) return gamma_slope_far(shape, x);
  return x < shape + 1 ? gamma_slope_below(shape, x) : gamma_slope_above(shape, x);
}

double dirichlet_slope(double x, double alpha, double total) {
  const double beta = total - alpha;
  if (!(x >= 0 && x <= 1 && alpha > 0 && beta > 0) || std::isinf(total)) return kNaN;
  if (x == 0) return 0;
  const double lift = std::log(x) + digamma(total);
  if (x * (total + 2) < alpha + 1) {
    const Dual part = beta_fraction({alpha, 1}, constant(beta), x);
    return -(x / alpha) * (part.value * (lift - digamma(alpha + 1)) + part.slope);
  }
  const Dual part = beta_fraction(constant(beta), {alpha, 1}, 1 - x);
  return x / beta * (part.value * (lift - digamma(alpha)) + part.slope);
}

}  // namespace flambeau::inline v1
