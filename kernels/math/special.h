// erfcx, the inverses of erf and of the normal distribution, modified Bessel functions, Hurwitz's
// zeta function; float is through double.
#pragma once

#include "kernels/math/erf.h"
#include "kernels/math/gamma.h"
#include "kernels/math/pow.h"

namespace flambeau::inline v1::math {

// exp(x^2) erfc(x), within 1 ulp in float and 3 in double.
FLAMBEAU_LEAF double erfcx(double x) {
  double a = abs(x);
  erfc_quotient q = erfc_quotient_of(at_most(a, 27.0));
  pair<double> near = two_product(q.h.hi, q.u);
  near.lo += fma_or_mul(q.h.hi, q.u_lo, q.h.lo * q.u);
  constexpr double inverse_root_pi = 0x1.20dd750429b6dp-1;
  double inverse = 1.0 / at_least(a, 27.0), z = 0.5 * inverse * inverse;
  double far = inverse_root_pi * inverse * poly(z, 1, -1, 3, -15, 105, -945, 10395);
  double right = a < 27.0 ? near.hi + near.lo : far;
  double b = at_most(a, 27.0);  // infinite from there
  pair<double> square = two_product(b, b);
  exp_unscaled<double> e = exp_pair(square.hi, square.lo);
  double left = scale_by_bits(e.y.hi + e.y.hi, e.n) - right;
  return isnan(x) ? x : x < 0.0 ? left : right;
}
FLAMBEAU_LEAF float erfcx(float x) { return float(erfcx(double(x))); }

// y >= 0 with erf(y) = x and erfc(y) = q, for x >= 0 and q = 1 - x: y / x is smooth in x^2 up to
// x = 0.7, and y / s in t = (s - c) / (s + c) beyond, with s = sqrt(-log(q)).
FLAMBEAU_LEAF double erf_inverse(double x, double q) {
  constexpr double c = 3.5;
  double centre = x * poly(x * x, 0x1.c5bf891b4ef6bp-1, 0x1.db29fb2fee5e2p-3, 0x1.053c2c0ab93e6p-3,
                           0x1.62847c47b835ep-4, 0x1.0a1318a76f7ap-4, 0x1.a7c8589262cf8p-5,
                           0x1.5eeb978f089b5p-5, 0x1.2ab02df4701dap-5, 0x1.043fea2310ffdp-5,
                           0x1.ba8b2146af75ap-6, 0x1.17b203bee1492p-5, -0x1.6df349c91f2e7p-5,
                           0x1.a7cf3b113a9fep-2, -0x1.d01d7b0a4beafp0, 0x1.b52741045e2aep2,
                           -0x1.42c7ff64a935ep4, 0x1.7afff4ce34f2bp5, -0x1.5b57de1a8e78dp6,
                           0x1.e7f3cc73074f4p6, -0x1.fb6373c044259p6, 0x1.71256a0bcd329p6,
                           -0x1.50764a0cec64bp5, 0x1.2443562033505p3);
  double s = sqrt(-log(at_most(q, 0.5)));
  double t = (s - c) / (s + c);
  double tail = s * poly(t, 0x1.d921dd7942fa6p-1, 0x1.cc69e14b2228bp-3, -0x1.2dbafa365ea57p-2,
                         0x1.125cd93e8936ep-2, -0x1.a21f11289545dp-3, 0x1.f7e2e498cff8p-4,
                         -0x1.6c343b9dbb80ep-5, -0x1.4bd0ebbc8430bp-6, 0x1.0423876de6efcp-4,
                         -0x1.5690ef98c8101p-4, 0x1.510caee53ac46p-4, -0x1.0864190501e4fp-4,
                         0x1.2e10a51379bd4p-5, -0x1.a4d3e56e57d93p-8, -0x1.511016e85f6cfp-6,
                         0x1.428d6d60565abp-5, -0x1.85422aad8da16p-5, 0x1.6ec891fdf171ep-5,
                         -0x1.11b79ae21d6cfp-5, 0x1.16038cec169e7p-6, 0x1.06d55b303913p-9,
                         -0x1.4c4a25ccc7007p-6, 0x1.e228ba68026cdp-6, -0x1.ada63da7398bp-6,
                         0x1.a0af5a62bc4c2p-6, -0x1.0cd38bffecde9p-5, 0x1.5aff7e2a9fa05p-6,
                         0x1.24337f2d46a13p-6, -0x1.562a5a4102b22p-5, 0x1.cb38be191a1ep-6,
                         -0x1.bea449b04c3a1p-8);
  tail = q == 0.0 ? infinity<double> : tail;
  return x < 0.7 ? centre : tail;
}

// Within 1 ulp in float, 3 in double.
FLAMBEAU_LEAF double erfinv(double x) {
  double a = abs(x);
  double y = copysign(erf_inverse(a, 1.0 - a), x);
  return a <= 1.0 ? y : nan<double>;
}
FLAMBEAU_LEAF float erfinv(float x) { return float(erfinv(double(x))); }

// The inverse of the normal distribution, within 1 ulp in float, 4 in double.
FLAMBEAU_LEAF double ndtri(double p) {
  constexpr double root_2 = 0x1.6a09e667f3bcdp0;
  double q = 2.0 * (p < 0.5 ? p : 1.0 - p);
  double y = root_2 * erf_inverse(p < 0.5 ? 1.0 - q : 2.0 * p - 1.0, q);
  y = p < 0.5 ? -y : y;
  return (p >= 0.0) & (p <= 1.0) ? y : nan<double>;
}
FLAMBEAU_LEAF float ndtri(float p) { return float(ndtri(double(p))); }

// The modified Bessel functions of orders 0 and 1: `near` is I0(x), or I1(x) / x, for |x| < 8, and
// `far` is exp(-x) times the function beyond.
struct bessel_parts {
  double a, near, far;
};
FLAMBEAU_LEAF bessel_parts bessel_i0_parts(double x) {
  double a = abs(x), b = at_most(a, 8.0), u = 1.0 / at_least(a, 8.0);
  double near = poly(b * b, 0x1p0, 0x1p-2, 0x1p-6, 0x1.c71c71c71c71cp-12, 0x1.c71c71c71c732p-18,
                     0x1.23456789abb3cp-24, 0x1.02e85c089add3p-31, 0x1.522a43f61d9fcp-39,
                     0x1.522a43f9d6a6cp-47, 0x1.0b313264d6363p-55, 0x1.56018a2d7c66dp-64,
                     0x1.69ca94d2aaa9dp-73, 0x1.41971b5f65936p-82, 0x1.e73debfc96fccp-92,
                     0x1.3d3411949dc2fp-101, 0x1.748ae1f328b0bp-111, 0x1.23c4943ed176p-121,
                     0x1.1815cae2dbbb5p-130);
  double far = poly(
      u, 0x1.9884533d43651p-2, 0x1.9884533d3ee4dp-5, 0x1.cb94ddc73c4bp-6, 0x1.debacfa5d503bp-6,
      0x1.6ead1c6a36e73p-5, 0x1.6522f3bd9b6e2p-4, 0x1.546e7823aad0ap-1, -0x1.375eac1cc14d4p5,
      0x1.4a7fa09e21a2ap11, -0x1.03b69259f07ccp17, 0x1.3a97a482edb97p22, -0x1.297f82fa700f9p27,
      0x1.bb771caff68e7p31, -0x1.05ee1d68ffcd8p36, 0x1.eb58bb84f0895p39, -0x1.6d5a104cfcf25p43,
      0x1.ac8143cf067dp46, -0x1.889b66d83ae8ep49, 0x1.14c6646c1fc4cp52, -0x1.254b8e43ec1a4p54,
      0x1.c23fc9ff95bb5p55, -0x1.d6b0e79bd4b6bp56, 0x1.2a3df5f482886p57, -0x1.5747c06d7ea3cp56);
  return {a, near, sqrt(u) * far};
}
FLAMBEAU_LEAF bessel_parts bessel_i1_parts(double x) {
  double a = abs(x), b = at_most(a, 8.0), u = 1.0 / at_least(a, 8.0);
  double near =
      poly(b * b, 0x1p-1, 0x1p-4, 0x1.5555555555555p-9, 0x1.c71c71c71c73p-15, 0x1.6c16c16c16a62p-21,
           0x1.845c8a0ce78d6p-28, 0x1.27e4fb7767effp-35, 0x1.522a43f898db8p-43,
           0x1.2c9758c32247p-51, 0x1.ab81eb7f14501p-60, 0x1.f17698919776dp-69,
           0x1.e262996006f8ap-78, 0x1.8bddb6101a8a1p-87, 0x1.15cca6c94a10fp-96,
           0x1.5a0f57f1f2f0cp-106, 0x1.395f36596a0c8p-116, 0x1.0b1368f424eafp-125);
  double far = poly(
      u, 0x1.9884533d4365p-2, -0x1.32633e6df13d7p-3, -0x1.7efc0e1c6eb1ep-5, -0x1.4f1c68ee1a028p-5,
      -0x1.d7682f04f606bp-5, -0x1.b6ea0a6625fe4p-4, -0x1.73d6fc7266f0cp-1, 0x1.43f5b87e8173ep5,
      -0x1.57a8baaeadcc1p11, 0x1.0d5b2acdfbca1p17, -0x1.4573e54aedb62p22, 0x1.32f8fe33868dfp27,
      -0x1.c85bbd935d8d1p31, 0x1.0cc7e12e44896p36, -0x1.f6aa5942589aep39, 0x1.7488288eee128p43,
      -0x1.b353ab1c89672p46, 0x1.8d36d27452a6dp49, -0x1.16b3694f2ef31p52, 0x1.25b4cebfe4286p54,
      -0x1.bfe77aa8266a4p55, 0x1.d06faa4922904p56, -0x1.233ae65eacae1p57, 0x1.4a91ba94daca8p56);
  return {a, b * near, sqrt(u) * far};
}
// y exp(a), where that is not beyond the range before the product is.
FLAMBEAU_LEAF double times_exp(double y, double a) {
  exp_unscaled<double> e = exp_pair(at_most(a, 720.0), 0.0);
  double product = scale_by_bits(fma_or_mul(y, e.y.hi, y * e.y.lo), e.n);
  return a > 720.0 ? infinity<double> : product;
}

// Each within 1 ulp in float, 4 in double; i0e and i1e are the functions times exp(-|x|).
FLAMBEAU_LEAF double i0(double x) {
  bessel_parts p = bessel_i0_parts(x);
  return p.a < 8.0 ? p.near : times_exp(p.far, p.a);
}
FLAMBEAU_LEAF double i0e(double x) {
  bessel_parts p = bessel_i0_parts(x);
  return p.a < 8.0 ? p.near * exp(-p.a) : p.far;
}
FLAMBEAU_LEAF double i1(double x) {
  bessel_parts p = bessel_i1_parts(x);
  return copysign(p.a < 8.0 ? p.near : times_exp(p.far, p.a), x);
}
FLAMBEAU_LEAF double i1e(double x) {
  bessel_parts p = bessel_i1_parts(x);
  return copysign(p.a < 8.0 ? p.near * exp(-p.a) : p.far, x);
}
FLAMBEAU_LEAF float i0(float x) { return float(i0(double(x))); }
FLAMBEAU_LEAF float i0e(float x) { return float(i0e(double(x))); }
FLAMBEAU_LEAF float i1(float x) { return float(i1(double(x))); }
FLAMBEAU_LEAF float i1e(float x) { return float(i1e(double(x))); }

// The sum of 1 / (q + k)^s over k >= 0 for s > 1 and q > 0: terms up to N, then Euler and
// Maclaurin's series, whose coefficients are B(2j) / (2j)!.
FLAMBEAU_LEAF_CALL double zeta_right(double s, double q) {
  constexpr double series[] = {1.0 / 12,
                               -1.0 / 720,
                               1.0 / 30240,
                               -1.0 / 1209600,
                               1.0 / 47900160,
                               -691.0 / 1307674368000.0,
                               1.0 / 74724249600.0,
                               -3617.0 / 10670622842880000.0,
                               43867.0 / 5109094217170944000.0,
                               -174611.0 / 802857662698291200000.0};
  double sum = 0.0, w = q;
  for (int k = 0; k < 12; ++k, w += 1.0) sum += pow(w, -s);
  double last = pow(w, -s);
  if (!(last > 0x1p-60 * sum)) return sum;  // powers so steep that the series would not converge
  double tail = 0.5 * last, rising = s, inverse = 1.0 / w, power = last * inverse;
  for (int j = 0; j < 10; ++j) {
    tail += series[j] * rising * power;
    rising *= (s + (2 * j + 1)) * (s + (2 * j + 2));
    power *= inverse * inverse;
  }
  return sum + (last * (w / (s - 1.0)) + tail);
}

// Hurwitz's zeta function, to 8 ulp for q > 0. Left of 0, where powers that are not whole numbers
// do not exist, the terms on both sides of it are two sums of positive ones; infinite at the poles.
FLAMBEAU_LEAF_CALL double zeta(double s, double q) {
  if (isnan(s) | isnan(q)) return nan<double>;
  if (s == 1.0) return infinity<double>;
  if (s < 1.0) return nan<double>;
  if (q > 0.0) return isinf(q) ? 0.0 : zeta_right(s, q);
  if (q == floor(q)) return infinity<double>;
  if (s != floor(s)) return nan<double>;
  double m = ceil(-q), right = q + m;  // q + m is the first that is positive
  double left = 1.0 - right;           // and the last negative one is -left
  double below = zeta_right(s, left) - zeta_right(s, left + m);
  double half = 0.5 * s;
  return zeta_right(s, right) + (half == floor(half) ? below : -below);
}
FLAMBEAU_LEAF float zeta(float s, float q) { return float(zeta(double(s), double(q))); }

// The n-th derivative of digamma, n >= 2.
FLAMBEAU_LEAF_CALL double polygamma(double x, double n) {
  double factorial = 1.0, half = 0.5 * n;
  for (double k = 2.0; k <= n && k <= 171.0; k += 1.0) factorial *= k;
  double y = factorial * zeta(n + 1.0, x);
  return half == floor(half) ? -y : y;
}
FLAMBEAU_LEAF float polygamma(float x, float n) { return float(polygamma(double(x), double(n))); }

// log(x / a) - u with u = x / a - 1, and log(gamma(1 + a)) for a small a >= 0.
FLAMBEAU_LEAF_CALL double log_beyond_linear(double x, double a) {
  double u = (x - a) / a;
  double series = poly(u, -1.0 / 2, 1.0 / 3, -1.0 / 4, 1.0 / 5, -1.0 / 6, 1.0 / 7, -1.0 / 8,
                       1.0 / 9, -1.0 / 10, 1.0 / 11, -1.0 / 12, 1.0 / 13, -1.0 / 14, 1.0 / 15);
  return abs(u) < 0.1 ? u * u * series : log(x / a) - u;
}
FLAMBEAU_LEAF_CALL double lgamma_next(double a) {
  double series = poly(a, -0x1.2788cfc6fb619p-1, 0x1.a51a6625307d3p-1, -0x1.9a4d55beab2d7p-2,
                       0x1.151322ac7d848p-2, -0x1.a8b9c17aa6149p-3, 0x1.5b40cb100c306p-3,
                       -0x1.2703a1dcea3aep-3);
  return a < 0.01 ? a * series : lgamma(1.0 + a);
}

// x^a exp(-x) / gamma(1 + a): what the sums below multiply.
FLAMBEAU_LEAF_CALL double gamma_density(double a, double x) {
  if (a < 10.0) return pow(x, a) * exp(-x - lgamma_next(a));
  constexpr double root_2pi = 0x1.40d931ff62706p1;
  double z = 1.0 / (a * a);
  double stirling =
      poly(z, 1.0 / 12, -1.0 / 360, 1.0 / 1260, -1.0 / 1680, 1.0 / 1188, -691.0 / 360360);
  return exp(a * log_beyond_linear(x, a) - stirling / a) / (root_2pi * sqrt(a));
}

// The regularised incomplete gamma functions P(a, x), and Q(a, x) = 1 - P, each from the sum that
// converges and does not cancel there: for float results, and to 2^-40 or so of double ones.
struct gamma_shares {
  double lower, upper;
};
FLAMBEAU_LEAF_CALL gamma_shares gamma_shares_of(double a, double x) {
  if (isnan(a) | isnan(x) | (a < 0.0) | (x < 0.0)) return {nan<double>, nan<double>};
  if ((a == 0.0) & (x == 0.0)) return {nan<double>, nan<double>};
  if (isinf(a) & isinf(x)) return {nan<double>, nan<double>};
  if ((a == 0.0) | isinf(x)) return {1.0, 0.0};
  if ((x == 0.0) | isinf(a)) return {0.0, 1.0};
  if (a > 1e6) {  // Temme's expansion about x = a, two terms of it
    double rest = -log_beyond_linear(x, a), eta = copysign(sqrt(2.0 * rest), x - a);
    double bend =
        poly(eta, -1.0 / 3, 1.0 / 12, -2.0 / 135, 1.0 / 864, 1.0 / 2835) - 1.0 / (540.0 * a);
    double half_root = eta * sqrt(0.5 * a);
    double slope = abs(eta) < 0.1 ? exp(-a * rest) / (0x1.40d931ff62706p1 * sqrt(a)) * bend : 0.0;
    return {0.5 * erfc(-half_root) - slope, 0.5 * erfc(half_root) + slope};
  }
  if (x <= 1.1 && (x <= 0.5 ? a * log(x) > -0.4 : 1.1 * x >= a)) {  // Q where it may be small
    double factor = 1.0, sum = 0.0;
    for (double n = 1.0; n < 60.0; n += 1.0) {
      factor *= -x / n;
      sum += factor / (a + n);
    }
    double power = a * log(x) - lgamma_next(a), shrunk = expm1(power);
    double upper = -(shrunk + (shrunk + 1.0) * a * sum);
    return {1.0 - upper, upper};
  }
  double density = gamma_density(a, x);
  if (x < a + 1.0) {
    double sum = 1.0, term = 1.0;
    for (double n = a + 1.0; term > 0x1p-56 * sum; n += 1.0) {
      term *= x / n;
      sum += term;
    }
    double lower = at_most(density * sum, 1.0);
    return {lower, 1.0 - lower};
  }
  double b = x + 1.0 - a, c = 0x1p900, d = 1.0 / b, h = d;  // Lentz's continued fraction
  for (double n = 1.0, step = 0.0; n < 1e5 && abs(step - 1.0) > 0x1p-53; n += 1.0) {
    double over = n * (a - n);
    b += 2.0;
    d = 1.0 / (over * d + b);
    c = b + over / c;
    step = c * d;
    h *= step;
  }
  double upper = at_most(density * a * h, 1.0);
  return {1.0 - upper, upper};
}
template <class T>
FLAMBEAU_LEAF T igamma(T a, T x) {
  return T(gamma_shares_of(a, x).lower);
}
template <class T>
FLAMBEAU_LEAF T igammac(T a, T x) {
  return T(gamma_shares_of(a, x).upper);
}

}  // namespace flambeau::inline v1::math
