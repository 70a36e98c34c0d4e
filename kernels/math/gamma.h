// lgamma, digamma and trigamma; float is through double.
//
// Note [Gamma]
// Both have one fit on [1/2, 3], written in u = x - 1 so that the zeros of lgamma at 1 and 2
// come out of u (u - 1) exactly. Around 0 they step up once, between 3 and 6 down to [2, 3), from 6
// on follow Stirling's series, and below -1/2 are reflected.
#pragma once

#include "kernels/math/log.h"
#include "kernels/math/trig.h"

namespace flambeau::inline v1::math {

// log(x) = hi + lo to 2^-56, with lo small but not below an ulp of hi; x >= 0.
FLAMBEAU_LEAF pair<double> log_near_pair(double x) {
  log_reduced<double> a = log_reduce(x);
  double tail = fma_or_mul(a.k, ln2<double>::lo, log_tail(a.f));
  pair<double> hi = fast_two_sum(a.k * ln2<double>::hi, a.f);
  return {log_edges(x, hi.hi), hi.lo - fma_or_mul(0.5 * a.f, a.f, -tail)};
}

// sin(pi a) and cos(pi a) up to a common sign, for a >= 0.
FLAMBEAU_LEAF pair<double> sin_cos_pi(double a) {
  constexpr double pi_hi = 0x1.921fb54442d18p1, pi_lo = 0x1.1a62633145c07p-53;
  double f = a - round(a);
  double g = 0.5 - abs(f);
  double sine = sin_of({f * pi_hi, f * pi_lo, 0}, a);
  return {sine, sin_of({g * pi_hi, g * pi_lo, 0}, a)};
}

struct gamma_shifted {
  double u, product, sum;  // x - 1 after the steps down, product and sum of inverses of the steps
};
// Steps from [3, 6) down to u in [1, 2); sum is that of numerators over `product`.
FLAMBEAU_LEAF gamma_shifted gamma_step_down(double a) {
  double u = a - 1.0, product = 1.0, sum = 0.0;
  for (int j = 1; j <= 3; ++j) {
    double factor = a - j;
    bool take = (factor >= 2.0) & (a < 6.0);
    sum = take ? fma_or_mul(sum, factor, product) : sum;
    product = take ? product * factor : product;
    u = take ? factor - 1.0 : u;
  }
  return {u, product, sum};
}

// lgamma(1 + u) / (u (u - 1)) - 1/2 for -1/2 <= u <= 2, to 2^-57 of that quotient, which is smooth
// in v = (x - c) / (x + c) for x = 1 + u and c = 5/4.
FLAMBEAU_LEAF double lgamma_quotient(double u) {
  pair<double> den = two_sum(2.25, u);
  double num = u - 0.25, inverse = 1.0 / den.hi, v = num * inverse;
  pair<double> back = two_product(v, den.hi);
  v = fma_or_mul(((num - back.hi) - back.lo) - v * den.lo, inverse, v);
  return poly(
      v, 0x1.8b1fc4bb94575p-6, -0x1.d8782ecd96532p-2, 0x1.0980a50d850f3p-3, -0x1.44ce18e63615cp-3,
      0x1.61af2e88b1441p-4, -0x1.8d39da5492522p-4, 0x1.07b3a3995b2c2p-4, -0x1.1e3fbcbc4eb42p-4,
      0x1.a3d6519e15565p-5, -0x1.bf80a1a260511p-5, 0x1.5c91c76eb9c8bp-5, -0x1.6f4f14b6a307p-5,
      0x1.29f6f9b5ada0ap-5, -0x1.3760b98d2f28bp-5, 0x1.03c7536cdd0c7p-5, -0x1.0fa10fa2dbe26p-5,
      0x1.d4fda2556c518p-6, -0x1.c8d1336dde47ep-6, 0x1.6c6d5b409291bp-6, -0x1.0ed3ef4e0a50ep-5,
      0x1.2e801bc411db1p-5, -0x1.92b7a8fe5fe96p-12, -0x1.1d173cfa7e3d9p-6, -0x1.00836278212b7p-4,
      0x1.2ecbc37ae25d4p-4);
}

// lgamma(x) for x > -1/2.
FLAMBEAU_LEAF double lgamma_right(double x) {
  bool near_zero = x < 0.5, far = x >= 6.0;
  gamma_shifted g = gamma_step_down(x);
  double u = near_zero ? x : g.u;
  pair<double> v = two_sum(u, -1.0);
  pair<double> d = two_product(u, v.hi);
  d.lo = fma_or_mul(u, v.lo, d.lo);
  double quotient = lgamma_quotient(u);
  double middle = fma_or_mul(d.hi, quotient, d.lo * (quotient + 0.5));

  pair<double> log = log_near_pair(near_zero ? abs(x) : (far ? x : g.product));
  double sign = near_zero ? -1.0 : 1.0;
  pair<double> sum = two_sum(sign * log.hi, 0.5 * d.hi);
  double y = sum.hi + (sum.lo + fma_or_mul(sign, log.lo, middle));

  constexpr double half_log_2pi = 0x1.d67f1c864beb5p-1;
  double scale = x > 0x1p900 ? 0x1p-64 : 1.0;  // keeps the products finite
  double a = x * scale, inverse = 1.0 / x, z = inverse * inverse;
  double tail = poly(z, 0x1.5555555555516p-4, -0x1.6c16c16a8715ap-9, 0x1.a019faa1fc671p-11,
                     -0x1.380fac1fcf32fp-11, 0x1.b82a0f9402abap-11, -0x1.dd421349ccf6ap-10,
                     0x1.08c0b9b0b09e5p-8);
  pair<double> product = two_product(a - 0.5 * scale, log.hi);
  pair<double> total = two_sum(product.hi, -a);
  double low = fma_or_mul(a - 0.5 * scale, log.lo, product.lo) + total.lo;
  low = fma_or_mul(inverse, tail, half_log_2pi) * scale + low;
  double stirling = (total.hi + low) / scale;
  return far ? stirling : y;
}

// Within 2 ulp for x > -1/2. Below, where lgamma has zeros between the poles, the error is within
// 2^-51 of |lgamma(-x)| + |log|x sin(pi x) / pi||.
FLAMBEAU_LEAF double lgamma(double x) {
  constexpr double log_pi = 0x1.250d048e7a1bdp0;
  bool reflected = x <= -0.5;
  double a = reflected ? -x : x;
  double right = lgamma_right(a);
  double sine = abs(sin_cos_pi(a).hi);
  pair<double> log = log_near_pair(a * sine);
  double left = ((log_pi - log.hi) - right) - log.lo;
  double y = reflected ? left : right;
  bool pole = (x == 0.0) | (reflected & (sine == 0.0));
  return pole | isinf(x) ? infinity<double> : y;
}
FLAMBEAU_LEAF float lgamma(float x) { return float(lgamma(double(x))); }

// digamma(x) for x > -1/2. On [3/4, 3] it is u - zero, zero being that of digamma(1 + u), times
// 3/4 + p(t) / q(t).
FLAMBEAU_LEAF double digamma_right(double x) {
  constexpr double zero_hi = 0x1.d8b618d5af8fep-2, zero_lo = -0x1.1e563779a1f5bp-56;
  bool near_zero = x < 0.75, far = x >= 6.0;
  gamma_shifted g = gamma_step_down(x);
  double u = near_zero ? x : g.u;
  double t = u + 0.5;
  double p = poly(t, 0x1.4ab6c773d7d77p0, 0x1.a2d906d8e8c97p0, 0x1.d2ef12306b78ap-4,
                  -0x1.01cc6b9323a9cp-1, -0x1.c2c71c0cc0de9p-3, -0x1.16c56588b9043p-5,
                  -0x1.011a221d82a81p-9, -0x1.fdc01155405ap-16);
  double q =
      poly(t, 0x1p0, 0x1.cc30683d3fe75p1, 0x1.06f80e2020d96p2, 0x1.09d1d3a52e43dp1,
           0x1.046ba359d0fd4p-1, 0x1.e60124fb38c6dp-5, 0x1.7bc7d8d12d3a5p-9, 0x1.56ade4e6509ffp-15);
  pair<double> d = two_sum(u, -zero_hi);
  d.lo -= zero_lo;
  double rational = p / q;
  double middle = fma_or_mul(d.hi, rational, d.lo * (rational + 0.75));

  double ratio = (near_zero ? -1.0 : (far ? -0.5 : g.sum)) / (near_zero | far ? x : g.product);
  pair<double> most = fast_two_sum(d.hi, -0.25 * d.hi);  // 3/4 of it, exactly
  pair<double> sum = two_sum(ratio, most.hi);
  double y = isinf(ratio) ? ratio : sum.hi + (sum.lo + (middle + most.lo));

  double inverse = -2.0 * ratio, z = inverse * inverse;
  double tail =
      poly(z, 0x1.555555555527p-4, -0x1.1111110c42a5p-7, 0x1.041035d75c94ap-8,
           -0x1.110ac17e59d89p-8, 0x1.ee882f48e91cp-8, -0x1.4391c7ce1892fp-6, 0x1.957735bb2ed71p-5);
  pair<double> log = log_near_pair(x);
  double stirling = log.hi + (ratio + (log.lo - z * tail));
  return far ? stirling : y;
}

// Within 2 ulp for x > -1/4; NaN at negative integers, as PyTorch has it. To the left, where it has
// zeros between the poles, the error is within 2^-51 of |digamma(-x)| + |pi / tan(pi x)|.
FLAMBEAU_LEAF double digamma(double x) {
  constexpr double pi = 0x1.921fb54442d18p1;
  bool reflected = x <= -0.5;
  double a = reflected ? -x : x;
  double right = digamma_right(a);
  pair<double> turn = sin_cos_pi(a);
  double f = a - round(a);
  double cot = turn.lo / turn.hi;
  double left = fma_or_mul(pi, cot, 1.0 / a) + right;
  left = f == 0.0 ? nan<double> : left;
  return reflected ? left : right;
}
FLAMBEAU_LEAF float digamma(float x) { return float(digamma(double(x))); }

// The sum of 1 / (x + k)^2 over k >= 0, for x >= 0: terms up to 10, then the asymptotic series.
FLAMBEAU_LEAF double trigamma_right(double x) {
  double y = x, sum = 0.0;
  for (int k = 0; k < 10; ++k) {
    bool take = y < 10.0;
    sum += take ? 1.0 / (y * y) : 0.0;
    y += take ? 1.0 : 0.0;
  }
  double inverse = 1.0 / y, z = inverse * inverse;
  double tail = poly(z, 1.0 / 6, -1.0 / 30, 1.0 / 42, -1.0 / 30, 5.0 / 66, -691.0 / 2730, 7.0 / 6,
                     -3617.0 / 510);
  return sum + (inverse + (0.5 * z + inverse * z * tail));
}

// The derivative of digamma, within 4 ulp; inf at the poles.
FLAMBEAU_LEAF double trigamma(double x) {
  constexpr double pi = 0x1.921fb54442d18p1;
  bool reflected = x < 0.0;
  double a = reflected ? -x : x;
  double right = trigamma_right(reflected ? 1.0 + a : a);
  double turn = pi / sin_cos_pi(a).hi;
  double left = a == round(a) ? infinity<double> : turn * turn - right;
  left = isinf(a) ? nan<double> : left;
  return reflected ? left : right;
}
FLAMBEAU_LEAF float trigamma(float x) { return float(trigamma(double(x))); }

}  // namespace flambeau::inline v1::math
