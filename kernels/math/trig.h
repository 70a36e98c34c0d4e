// sin, cos, tan.
//
// Note [Near and far]
// Reducing an argument modulo pi is cheap up to 2^20 and dear beyond, where it takes 200 bits of
// 1/pi. `sin` holds everywhere; `sin_near` holds for is_near_pi(x) and gives the same bits there,
// several times faster. A loop over a tile may therefore ask first whether the whole tile is near,
// and the choice shows in no result. (cos and tan likewise.)
#pragma once

#include "kernels/math/base.h"

namespace flambeau::inline v1::math {

template <class T>
FLAMBEAU_LEAF bool is_near_pi(T x) {
  return abs(x) <= T(0x1p20);
}

// Which multiple m pi of pi is nearest: m = offset + step * n for an integer n.
struct sin_zeros {
  static constexpr double offset = 0, step = 1;
};
struct cos_zeros {
  static constexpr double offset = 0.5, step = 1;
};
struct tan_poles {
  static constexpr double offset = 0, step = 0.5;
};

// x = m pi + r + r_lo; the low bits of n are the integer of above.
struct pi_reduced {
  double r, r_lo;
  uint64 n;
};

template <class Zeros>
FLAMBEAU_LEAF nearest<double> nearest_zero(double turns) {
  return to_nearest((turns - Zeros::offset) * (1 / Zeros::step) + ieee<double>::magic);
}

// pi in parts whose products with m are exact. r + r_lo is good to 2^-130.
template <class Zeros>
FLAMBEAU_LEAF pi_reduced pi_reduce_near(double x) {
  constexpr double pi1 = 0x1.921fb544p1, pi2 = 0x1.0b4611a6p-33, pi3 = 0x1.3198a2ep-68,
                   pi4 = 0x1.b839a252049c1p-103, inverse_pi = 0x1.45f306dc9c883p-2;
  nearest<double> n = nearest_zero<Zeros>(x * inverse_pi);
  double m = n.value * Zeros::step + Zeros::offset;
  double a = fma_or_mul(m, -pi1, x);
  double b = fma_or_mul(m, -pi2, a);
  double b_lo = fma_or_mul(m, -pi2, a - b);
  double r = fma_or_mul(m, -pi3, b);
  double r_lo = fma_or_mul(m, -pi3, b - r) + fma_or_mul(m, -pi4, b_lo);
  return {r, r_lo, n.bits};
}

// 2^(32 k) / pi modulo 2 is the sum of column k.
FLAMBEAU_LEAF_TABLE double inverse_pi_table[4][31] = {
    {0x1.45f306dc9c883p-2, 0x1.27220a94fe13bp0,  0x1.fc2757d1f534ep-1, 0x1.f534ddc0db629p-1,
     0x1.b6c52b3278872p-2, 0x1.3c439041fe516p-1, 0x1.fe5163abdebbcp-1, 0x1.ef5de2b0db923p0,
     0x1.b7246e3a424ddp-1, 0x1.2126e97003249p0,  0x1.924bba8274648p-7, 0x1.04e8c90e7f0efp0,
     0x1.fc3bd63962535p-2, 0x1.62534e7dd1047p-2, 0x1.74411afa975dap0,  0x1.2ebb4484e99c7p-1,
     0x1.d338e04d68bfp-2,  0x1.5a2fbf209cc8fp0,  0x1.3991d63983534p-1, 0x1.835339f49c846p-1,
     0x1.3908bf177bf25p-2, 0x1.defc941d8ffc5p0,  0x1.8ffc4bffef02dp0,  0x1.ef02cc07f7979p0,
     0x1.f79788c5ad053p0,  0x1.ad05368fb69b4p0,  0x1.b69b3f6793e58p0,  0x1.93e584dba7a32p0,
     0x1.a7a31fb34f2ffp0,  0x1.4f2ff516ba93ep0,  0x1.7527bac7ebe5fp-1},
    {-0x1.6b01ec5417056p-56, -0x1.05c1596447e49p-54, -0x1.1f924eb53361ep-56, 0x1.664f10e4107f9p-55,
     0x1.07f9458eaf7afp-59,  0x1.d5ef5de2b0db9p-56,  0x1.586dc91b8e909p-55,  0x1.c74849ba5c00dp-54,
     0x1.700324977504fp-56,  0x1.dd413a32439fcp-54,  0x1.cfe1deb1cb12ap-61,  0x1.63962534e7dd1p-54,
     -0x1.822efb9415a29p-58, -0x1.0568a25dbd8b3p-56, 0x1.213a671c09ad1p-55,  0x1.35a2fbf209cc9p-60,
     -0x1.bec66e29c67cbp-57, -0x1.38cf9598c16c7p-54, -0x1.82d8dee81d108p-55, -0x1.d1081b5f13802p-59,
     0x1.d8ffc4bffef03p-60,  -0x1.00043f4cfe022p-54, -0x1.fc04343b9d298p-55, -0x1.ce94beb25c126p-54,
     0x1.a3eda6cfd9e5p-54,   -0x1.30d834f648b0cp-57, 0x1.36e9e8c7ecd3dp-54,  -0x1.32c3402ba515bp-58,
     0x1.45aea4f758fd8p-54,  -0x1.4e050683a130cp-55, 0x1.7b3d0739f78a5p-57},
    {-0x1.6447e493ad4cep-110, -0x1.d6a66c3bc6fbep-109, 0x1.c820ff28b1d5fp-112,
     0x1.163abdebbc562p-109,  -0x1.d4f246dc8e2dfp-116, 0x1.1b8e909374b8p-111,
     0x1.ba5c00c925dd4p-110,  -0x1.b688afb1736f2p-108, -0x1.cdbc603c429c7p-110,
     0x1.deb1cb129a73fp-109,  -0x1.63045df7282b4p-115, 0x1.1afa975da2427p-112,
     0x1.a24274ce38136p-112,  -0x1.c7eca5d040df6p-112, 0x1.f7e413991d63ap-109,
     -0x1.4e33e566305b2p-116, 0x1.9cfa4e422fc5ep-112,  0x1.17e2ef7e4a0ecp-111,
     -0x1.b5f13801da001p-111, 0x1.2fffbc0b301fep-114,  -0x1.9fc04343b9d29p-115,
     0x1.788c5ad05369p-108,   0x1.4da3eda6cfd9ep-110,  0x1.b3f6793e584dcp-108,
     -0x1.a7b24585ce04dp-108, 0x1.8fd9a797fa8b6p-111,  -0x1.00ae9456c229cp-108,
     -0x1.14e050683a131p-115, -0x1.a0e84c2f8c608p-109, 0x1.ce7de294a4baap-111,
     0x1.497535fdafd89p-112},
    {0x1.e21c820ff28b2p-164,  -0x1.ae9c5421443aap-169, -0x1.443a9e48db91cp-169,
     -0x1.236e4716f6c8bp-163, 0x1.374b801924bbbp-171,  0x1.924bba8274648p-167,
     0x1.3a32439fc3bd6p-166,  0x1.fc3bd63962535p-162,  0x1.894d39f74411bp-164,
     -0x1.77dca0ad144bbp-165, -0x1.44bb7b16638fep-169, 0x1.338e04d68befdp-166,
     -0x1.741037d8cdc54p-166, -0x1.9b8a719f2b318p-167, -0x1.f2b3182d8dee8p-163,
     0x1.08bf177bf2507p-170,  -0x1.036be27003b4p-168,  0x1.ff897ffde0598p-165,
     0x1.e05980fef2f12p-165,  -0x1.a1dce94beb25cp-170, -0x1.f592e092c9813p-169,
     -0x1.25930261b069fp-162, 0x1.3e584dba7a32p-164,   -0x1.61738132c3403p-162,
     0x1.3cbfd45aea4f7p-162,  -0x1.5b08a7028341dp-166, -0x1.41a0e84c2f8c6p-165,
     0x1.0739f78a5292fp-169,  -0x1.d6b5b45650128p-163, -0x1.404a04ee072a3p-165,
     -0x1.ca8bdea7f33eep-171}};

FLAMBEAU_LEAF double modulo_2(double x) { return fma_or_mul(-2.0, round(0.5 * x), x); }

// For 2^20 < |x| < infinity: x / pi modulo 2 to 2^-127. With |x| = i 2^(32 k) for an integer i
// below 2^85, multiples of 2 in the table do not count.
template <class Zeros>
FLAMBEAU_LEAF pi_reduced pi_reduce_far(double x) {
  constexpr double pi_hi = 0x1.921fb54442d18p1, pi_lo = 0x1.1a62633145c07p-53;
  uint64 above = ((bits_of(x) >> 52) & 2047) - (1023 + 52);
  uint64 k = (above & ~(0 - (above >> 63))) >> 5;  // 0 where `above` is negative
  double i = from_bits(bits_of(x) - (k << (52 + 5)));
  pair<double> p0 = two_product(i, inverse_pi_table[0][k]),
               p1 = two_product(i, inverse_pi_table[1][k]);
  pair<double> p2 = two_product(i, inverse_pi_table[2][k]);
  double a0 = modulo_2(p0.hi), a1 = modulo_2(p0.lo), a2 = modulo_2(p1.hi);
  double a3 = p2.hi + p1.lo;
  nearest<double> n = nearest_zero<Zeros>((a0 + a1) + (a2 + a3));
  double m = n.value * Zeros::step + Zeros::offset;
  pair<double> s = two_sum(a0 - m, a1);
  pair<double> t = two_sum(s.hi, a2);
  t = fast_two_sum(t.hi, t.lo + s.lo);
  pair<double> u = two_sum(t.hi, p1.lo);
  u = fast_two_sum(u.hi, u.lo + t.lo);
  pair<double> v = two_sum(u.hi, p2.hi);
  v = fast_two_sum(v.hi, v.lo + (u.lo + fma_or_mul(i, inverse_pi_table[3][k], p2.lo)));
  pair<double> r = two_product(v.hi, pi_hi);
  double finite = x - x;  // NaN otherwise
  return {r.hi + finite, fma_or_mul(v.hi, pi_lo, fma_or_mul(v.lo, pi_hi, r.lo)), n.bits};
}

// A conditional expression here would tempt the compiler to branch around the table.
FLAMBEAU_LEAF double blend(uint64 mask, double a, double b) {
  return from_bits((bits_of(a) & mask) | (bits_of(b) & ~mask));
}

template <class Zeros>
FLAMBEAU_LEAF pi_reduced pi_reduce(double x) {
  pi_reduced near = pi_reduce_near<Zeros>(x), far = pi_reduce_far<Zeros>(x);
  uint64 mask = is_near_pi(x) ? ~uint64(0) : 0;
  return {blend(mask, near.r, far.r), blend(mask, near.r_lo, far.r_lo),
          (near.n & mask) | (far.n & ~mask)};
}

// The same for the numbers of float, all in double: their r needs no second part.
template <class Zeros>
FLAMBEAU_LEAF pi_reduced pi_reduce_near(float x) {
  constexpr double pi1 = 0x1.921fb544p1, pi2 = 0x1.0b4611a626331p-33,
                   inverse_pi = 0x1.45f306dc9c883p-2;
  nearest<double> n = nearest_zero<Zeros>(double(x) * inverse_pi);
  double m = n.value * Zeros::step + Zeros::offset;
  return {fma_or_mul(m, -pi2, fma_or_mul(m, -pi1, double(x))), 0, n.bits};
}

// 1/pi in parts of 29 bits, so that products with x are exact; every partial sum that cancels is
// exact too, because its terms are multiples of a common unit.
template <class Zeros>
FLAMBEAU_LEAF pi_reduced pi_reduce_far(float x_float) {
  double x = x_float;
  double a0 = modulo_2(x * 0x1.45f306cp-2), a1 = modulo_2(x * 0x1.c9c882ap-30);
  double a2 = modulo_2(x * 0x1.4fe13aap-60), a3 = modulo_2(x * 0x1.e8fa9a6p-88);
  double a4 = modulo_2(x * 0x1.dc0db62p-117), a5 = x * 0x1.2b32788p-146, a6 = x * 0x1.c820ff2p-176;
  nearest<double> n = nearest_zero<Zeros>(((((a0 + a1) + a2) + a3) + a4) + a5);
  double m = n.value * Zeros::step + Zeros::offset;
  double turns = ((((((a0 - m) + a1) + a2) + a3) + a4) + a5) + a6;
  return {turns * 0x1.921fb54442d18p1, 0, n.bits};
}

template <class Zeros>
FLAMBEAU_LEAF pi_reduced pi_reduce(float x) {
  pi_reduced near = pi_reduce_near<Zeros>(x), far = pi_reduce_far<Zeros>(x);
  uint64 mask = is_near_pi(x) ? ~uint64(0) : 0;
  return {blend(mask, near.r, far.r), 0, (near.n & mask) | (far.n & ~mask)};
}

FLAMBEAU_LEAF double flip_if_odd(double y, uint64 n) { return from_bits(bits_of(y) ^ (n << 63)); }

// (-1)^n sin(r) for |r| <= pi/2, n being that of `a`.
FLAMBEAU_LEAF double sin_of(pi_reduced a, double) {
  double z = a.r * a.r;
  double p = poly(z, -0x1.5555555555555p-3, 0x1.11111111110c8p-7, -0x1.a01a01a014d6fp-13,
                  0x1.71de3a52a0b14p-19, -0x1.ae6454d47440fp-26, 0x1.6123cd073992ap-33,
                  -0x1.ae43847156862p-41, 0x1.8832a8ca2f9f4p-49);
  double cube = a.r * z, rest = a.r_lo * fma_or_mul(-0.5, z, 1.0);
#if FLAMBEAU_LEAF_HAS_FMA  // without, the rounding of the cube costs 0.7 ulp, and keeping it 30
                           // operations
  double cube_lo = fma_or_mul(a.r, z, -cube) + a.r * fma_or_mul(a.r, a.r, -z);
  rest = fma_or_mul(cube_lo, p, rest);
#endif
  double low = fma_or_mul(cube, p, rest);
  return flip_if_odd(a.r + low, a.n);
}
FLAMBEAU_LEAF double sin_of(pi_reduced a, float) {  // to 2^-35
  double z = a.r * a.r;
  double p = poly(z, -0x1.5555554768cp-3, 0x1.11110c49e5385p-7, -0x1.a017d999d180fp-13,
                  0x1.71707f8588fc2p-19, -0x1.9a687d044c1cfp-26);
  return flip_if_odd(fma_or_mul(a.r * z, p, a.r), a.n);
}

// Within 1 ulp in float (through double), 1.6 in double, 2.2 there without fma.
template <class T>
FLAMBEAU_LEAF T sin_near(T x) {
  T y = T(sin_of(pi_reduce_near<sin_zeros>(x), x));
  return abs(x) < T(0x1p-30) ? x : y;
}
template <class T>
FLAMBEAU_LEAF T sin(T x) {
  T y = T(sin_of(pi_reduce<sin_zeros>(x), x));
  return abs(x) < T(0x1p-30) ? x : y;
}
template <class T>
FLAMBEAU_LEAF T cos_near(T x) {
  return T(-sin_of(pi_reduce_near<cos_zeros>(x), x));
}
template <class T>
FLAMBEAU_LEAF T cos(T x) {
  return T(-sin_of(pi_reduce<cos_zeros>(x), x));
}

// tan(r), or -1 / tan(r) if n is odd, for |r| <= pi/4.
FLAMBEAU_LEAF double tan_of(pi_reduced a, double) {
  double z = a.r * a.r;
  double p = poly(z, 0x1.555555555555cp-2, 0x1.11111111107b8p-3, 0x1.ba1ba1baa9353p-5,
                  0x1.664f48615a469p-6, 0x1.226e3a04075d5p-7, 0x1.d6d2fae4bfcdep-9,
                  0x1.7db08b12d7857p-10, 0x1.34c5d89f8e816p-11, 0x1.fea7f48de2c3ep-13,
                  0x1.6117f41d226c6p-14, 0x1.15490acff1fe5p-14, -0x1.96ef10031c56ep-16,
                  0x1.8e7f2c19c54bfp-15, -0x1.8dfbfd1fa30d1p-16, 0x1.44bafeec8bfe2p-17);
  pair<double> t = fast_two_sum(a.r, fma_or_mul(a.r_lo, 1.0 + z, a.r * z * p));
  double inverse = -1.0 / t.hi;
  pair<double> one = two_product(inverse, t.hi);
  double error = ((1.0 + one.hi) + one.lo) + inverse * t.lo;  // 1 + inverse * t
  double odd = fma_or_mul(inverse, error, inverse);
  return a.n & 1 ? odd : t.hi;
}
FLAMBEAU_LEAF double tan_of(pi_reduced a, float) {  // to 2^-29
  double z = a.r * a.r;
  double p =
      poly(z, 0x1.5555605a2225ap-2, 0x1.110d8ddac7ea4p-3, 0x1.badbdbe89df02p-5,
           0x1.5caffc57100bdp-6, 0x1.63113cdbd76a1p-7, 0x1.77ae47fc1d1e9p-14, 0x1.1ecd5561412ccp-8);
  double t = fma_or_mul(a.r * z, p, a.r);
  double odd = -1.0 / t;
  return a.n & 1 ? odd : t;
}

// Within 1 ulp in float (through double), 1.5 in double.
template <class T>
FLAMBEAU_LEAF T tan_near(T x) {
  T y = T(tan_of(pi_reduce_near<tan_poles>(x), x));
  return abs(x) < T(0x1p-30) ? x : y;
}
template <class T>
FLAMBEAU_LEAF T tan(T x) {
  T y = T(tan_of(pi_reduce<tan_poles>(x), x));
  return abs(x) < T(0x1p-30) ? x : y;
}

}  // namespace flambeau::inline v1::math
