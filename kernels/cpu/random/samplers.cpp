#include "kernels/cpu/random/samplers.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/tensor/error.h"
#include "kernels/cpu/random/store.h"
#include "kernels/cpu/random/stream.h"
#include "kernels/math/gamma.h"

namespace flambeau::inline v1 {
namespace {

double uniform(Generator& generator) {
  uint32_t words[2];
  generator.engine.fill(words, 2);
  return unit_double(words);
}

// One of a pair; the other is kept for the next call.
double normal(Generator& generator) {
  if (generator.next_normal) {
    const double z = *generator.next_normal;
    generator.next_normal.reset();
    return z;
  }
  uint32_t words[4];
  generator.engine.fill(words, 4);
  const NormalPair pair = normal_pair(words);
  generator.next_normal = pair.second;
  return pair.first;
}

// Marsaglia and Tsang, "A simple method for generating gamma variables" (2000): d (1 + c z)^3 for
// a normal z is nearly distributed so, and is accepted by a squeeze or by the exact ratio. Below
// shape 1 a draw of shape + 1 is scaled by u^(1 / shape). The shape's arithmetic is of its own
// type, and the constants are rounded to float, as PyTorch has them: acceptance depends on both.
template <class T>
double gamma(Generator& generator, T shape) {
  double scale = 1;
  if (shape < 1) {
    if (shape == 0) return 0;
    scale = std::pow(1 - uniform(generator), static_cast<double>(1 / shape));
    shape += 1;
  }
  const double d = shape - static_cast<T>(1.0f / 3.0f);
  const double c = 1 / std::sqrt(9 * d);
  for (;;) {
    double z, root;
    do {
      z = normal(generator);
      root = 1 + c * z;
    } while (root <= 0);
    const double v = root * root * root, u = 1 - uniform(generator), zz = z * z;
    if (u < 1 - static_cast<double>(0.0331f) * zz * zz) return scale * d * v;
    if (std::log(u) < 0.5 * zz + d * (1 - v + std::log(v))) return scale * d * v;
  }
}

template <class T>
T at_least_tiny(double x) {
  return std::max(std::numeric_limits<T>::min(), static_cast<T>(x));
}

template <class T>
void dirichlet_rows(Generator& generator, T* dst, const T* shapes, int64_t rows,
                    int64_t categories) {
  // All gammas come first, in double: small shapes would underflow.
  std::vector<double> draws(static_cast<size_t>(rows * categories));
  for (size_t i = 0; i < draws.size(); ++i) {
    draws[i] = at_least_tiny<double>(gamma<double>(generator, shapes[i]));
  }
  const T most = std::nextafter(T(1), T(0));
  const double* row = draws.data();
  for (int64_t r = 0; r < rows; ++r, row += categories, dst += categories) {
    double sum = 0;
    for (int64_t j = 0; j < categories; ++j) sum += row[j];
    for (int64_t j = 0; j < categories; ++j)
      dst[j] = std::min(most, at_least_tiny<T>(row[j] / sum));
  }
}

double lgamma(double x) { return math::lgamma(x); }

// Hoermann, "The transformed rejection method for generating Poisson random variables" (1993).
double poisson_by_rejection(Generator& generator, double rate) {
  const double root = std::sqrt(rate), log_rate = std::log(rate);
  const double b = 0.931 + 2.53 * root, a = -0.059 + 0.02483 * b;
  const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4), v_r = 0.9277 - 3.6224 / (b - 2);
  for (;;) {
    const double u = uniform(generator) - 0.5, v = uniform(generator);
    const double us = 0.5 - std::fabs(u);
    const double k = std::floor((2 * a / us + b) * u + rate + 0.43);
    if (us >= 0.07 && v <= v_r) return k;
    if (k < 0 || (us < 0.013 && v > us)) continue;
    if (std::log(v) + std::log(inverse_alpha) - std::log(a / (us * us) + b) <=
        -rate + k * log_rate - lgamma(k + 1)) {
      return k;
    }
  }
}

double poisson(Generator& generator, double rate) {
  if (rate == 0 || std::isinf(rate)) return rate;
  if (rate >= 10) return poisson_by_rejection(generator, rate);
  // As many arrivals as fit into a unit of time: uniforms whose product stays above exp(-rate).
  const double least = std::exp(-rate);
  double product = uniform(generator), k = 0;
  for (; product > least; ++k) product *= uniform(generator);
  return k;
}

// What Stirling's formula for log(k!) leaves out.
double stirling_rest(double k) {
  if (k <= 9) {
    const double half_log_2pi = 0.91893853320467274178;
    return lgamma(k + 1) - (half_log_2pi + (k + 0.5) * std::log(k + 1) - (k + 1));
  }
  const double square = (k + 1) * (k + 1);
  return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / (k + 1);
}

// Hoermann, "The generation of binomial random variates" (1993): transformed rejection with a
// squeeze.
template <class T>
T binomial_by_rejection(Generator& generator, T count, T prob) {
  const double deviation = std::sqrt(count * prob * (1 - prob));
  const double b = 1.15 + 2.53 * deviation, a = -0.0873 + 0.0248 * b + 0.01 * prob;
  const double c = count * prob + 0.5, v_r = 0.92 - 4.2 / b;
  const double odds = prob / (1 - prob), alpha = (2.83 + 5.1 / b) * deviation;
  const double mode = std::floor((count + 1) * prob);
  for (;;) {
    const double u = uniform(generator) - 0.5;
    double v = uniform(generator);
    const double us = 0.5 - std::fabs(u);
    const T k = static_cast<T>(std::floor((2 * a / us + b) * u + c));
    if (us >= 0.07 && v <= v_r) return k;
    if (k < 0 || k > count) continue;
    v = std::log(v * alpha / (a / (us * us) + b));
    const double bound = (mode + 0.5) * std::log((mode + 1) / (odds * (count - mode + 1))) +
                         (count + 1) * std::log((count - mode + 1) / (count - k + 1)) +
                         (k + 0.5) * std::log(odds * (count - k + 1) / (k + 1)) +
                         stirling_rest(mode) + stirling_rest(count - mode) - stirling_rest(k) -
                         stirling_rest(count - k);
    if (v <= bound) return k;
  }
}

// How many waiting times, each distributed geometrically, fit into `count` trials.
template <class T>
T binomial_by_waiting(Generator& generator, T count, T prob) {
  const double log_failure = std::log1p(-static_cast<double>(prob));
  double waited = 0;
  for (T k = 0;; k += 1) {
    waited += std::ceil(std::log(uniform(generator)) / log_failure);
    if (!(waited <= count)) return k;
  }
}

template <class T>
T binomial(Generator& generator, T count, T prob) {
  if (count <= 0 || prob <= 0) return 0;
  if (prob >= 1) return count;
  if (std::isnan(count) || std::isnan(prob)) return std::numeric_limits<T>::quiet_NaN();
  const bool swapped = prob > T(0.5);
  const T p = swapped ? 1 - prob : prob;
  const T k = count * p >= 10 ? binomial_by_rejection(generator, count, p)
                              : binomial_by_waiting(generator, count, p);
  return swapped ? count - k : k;
}

}  // namespace

void draw_gamma(Generator& generator, DType dtype, void* dst, const void* shapes, int64_t n) {
  const auto draw = [&](auto* out, const auto* shape) {
    using T = std::remove_pointer_t<decltype(out)>;
    for (int64_t i = 0; i < n; ++i) out[i] = at_least_tiny<T>(gamma<T>(generator, shape[i]));
  };
  if (dtype == DType::float64) {
    draw(static_cast<double*>(dst), static_cast<const double*>(shapes));
  } else {
    draw(static_cast<float*>(dst), static_cast<const float*>(shapes));
  }
}

void draw_dirichlet(Generator& generator, DType dtype, void* dst, const void* shapes, int64_t rows,
                    int64_t categories) {
  if (dtype == DType::float64) {
    dirichlet_rows(generator, static_cast<double*>(dst), static_cast<const double*>(shapes), rows,
                   categories);
  } else {
    dirichlet_rows(generator, static_cast<float*>(dst), static_cast<const float*>(shapes), rows,
                   categories);
  }
}

void draw_poisson(Generator& generator, DType dtype, void* dst, const void* rates, int64_t n) {
  visit_floating("poisson", dtype, [&](auto stored) {
    using Stored = decltype(stored);
    const auto* rate = static_cast<const typename Stored::type*>(rates);
    auto* out = static_cast<typename Stored::type*>(dst);
    for (int64_t i = 0; i < n; ++i) {
      check(Stored::value(rate[i]) >= 0,
            "poisson: invalid Poisson rate, expected rate to be non-negative, but got ",
            Stored::value(rate[i]));
    }
    for (int64_t i = 0; i < n; ++i) {
      out[i] = Stored::of(poisson(generator, static_cast<double>(Stored::value(rate[i]))));
    }
  });
}

void draw_binomial(Generator& generator, DType dtype, void* dst, const void* counts,
                   const void* probs, int64_t n) {
  const auto draw = [&](auto* out, const auto* count, const auto* prob) {
    for (int64_t i = 0; i < n; ++i) out[i] = binomial(generator, count[i], prob[i]);
  };
  if (dtype == DType::float64) {
    draw(static_cast<double*>(dst), static_cast<const double*>(counts),
         static_cast<const double*>(probs));
  } else {
    draw(static_cast<float*>(dst), static_cast<const float*>(counts),
         static_cast<const float*>(probs));
  }
}

}  // namespace flambeau::inline v1
