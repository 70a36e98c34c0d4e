#include "kernels/cpu/fft/fft_kernels.h"
#include "kernels/cpu/matmul/gemm/simd.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {
namespace {

constexpr int kMostRadix = 31;

template <class T>
struct Complex {
  Vec<T> re, im;
};

template <class T>
inline Complex<T> get(const T* p) {
  return {load(p), load(p + kLanes<T>)};
}
template <class T>
inline void put(T* p, Complex<T> v) {
  store(p, v.re);
  store(p + kLanes<T>, v.im);
}
template <class T>
inline Complex<T> operator+(Complex<T> a, Complex<T> b) {
  return {a.re + b.re, a.im + b.im};
}
template <class T>
inline Complex<T> operator-(Complex<T> a, Complex<T> b) {
  return {a.re - b.re, a.im - b.im};
}
template <class T>
inline Complex<T> times(Complex<T> a, Vec<T> re, Vec<T> im) {
  return {fma(-a.im, im, a.re * re), fma(a.re, im, a.im * re)};
}
template <class T>
inline Complex<T> times(Complex<T> a, const T* w) {
  return times<T>(a, broadcast(w[0]), broadcast(w[1]));
}
template <class T>
inline Complex<T> times_minus_i(Complex<T> a) {
  return {a.im, -a.re};
}
template <class T>
inline Complex<T> plus(Complex<T> a, T factor, Complex<T> b) {  // a + factor b
  const Vec<T> f = broadcast(factor);
  return {fma(b.re, f, a.re), fma(b.im, f, a.im)};
}

// ---- butterflies, in place

template <class T>
inline void butterfly2(Complex<T>& a, Complex<T>& b) {
  const Complex<T> difference = a - b;
  a = a + b;
  b = difference;
}

template <class T>
inline void butterfly4(Complex<T>& a, Complex<T>& b, Complex<T>& c, Complex<T>& d) {
  const Complex<T> ac = a + c, a_c = a - c, bd = b + d, b_d = times_minus_i(b - d);
  a = ac + bd;
  b = a_c + b_d;
  c = ac - bd;
  d = a_c - b_d;
}

template <int R, class T>
inline void butterfly(Complex<T>* v) {
  if constexpr (R == 2) {
    butterfly2(v[0], v[1]);
  } else if constexpr (R == 3) {
    constexpr T kSine = T(0.866025403784438646763723170752936183);
    const Complex<T> sum = v[1] + v[2], turned = times_minus_i(v[1] - v[2]);
    const Complex<T> middle = plus(v[0], T(-0.5), sum);
    v[0] = v[0] + sum;
    v[1] = plus(middle, kSine, turned);
    v[2] = plus(middle, -kSine, turned);
  } else if constexpr (R == 4) {
    butterfly4(v[0], v[1], v[2], v[3]);
  } else if constexpr (R == 5) {
    constexpr T c1 = T(0.309016994374947424102293417182819059),
                c2 = T(-0.809016994374947424102293417182819059),
                s1 = T(0.951056516295153572116439333379382143),
                s2 = T(0.587785252292473129168705954639072769);
    const Complex<T> a = v[1] + v[4], b = v[2] + v[3];
    const Complex<T> c = times_minus_i(v[1] - v[4]), d = times_minus_i(v[2] - v[3]);
    const Complex<T> first = plus(plus(v[0], c1, a), c2, b);
    const Complex<T> second = plus(plus(v[0], c2, a), c1, b);
    const Vec<T> f1 = broadcast(s1), f2 = broadcast(s2);
    const Complex<T> near{fma(d.re, f2, c.re * f1), fma(d.im, f2, c.im * f1)};
    const Complex<T> far{fma(-d.re, f1, c.re * f2), fma(-d.im, f1, c.im * f2)};
    v[0] = v[0] + a + b;
    v[1] = first + near;
    v[4] = first - near;
    v[2] = second + far;
    v[3] = second - far;
  } else {
    static_assert(R == 8);
    constexpr T kHalf = T(0.707106781186547524400844362104849039);
    butterfly4(v[0], v[2], v[4], v[6]);
    butterfly4(v[1], v[3], v[5], v[7]);
    const Vec<T> half = broadcast(kHalf);
    const Complex<T> odd1{(v[3].re + v[3].im) * half, (v[3].im - v[3].re) * half};
    const Complex<T> odd2 = times_minus_i(v[5]);
    const Complex<T> odd3{(v[7].im - v[7].re) * half, -((v[7].re + v[7].im) * half)};
    const Complex<T> e0 = v[0], e1 = v[2], e2 = v[4], e3 = v[6], o0 = v[1];
    v[0] = e0 + o0;
    v[4] = e0 - o0;
    v[1] = e1 + odd1;
    v[5] = e1 - odd1;
    v[2] = e2 + odd2;
    v[6] = e2 - odd2;
    v[3] = e3 + odd3;
    v[7] = e3 - odd3;
  }
}

// Stockham's step: the result is in order when all are done, without a permutation of its own.
template <int R, class T>
void stage(const FftStage<T>& g, const T* x, T* y) {
  constexpr int64_t E = 2 * kLanes<T>;
  for (int64_t p = 0; p < g.m; ++p) {
    const T* const w = g.twiddles + p * 2 * (R - 1);
    for (int64_t q = 0; q < g.s; ++q) {
      Complex<T> v[R];
#pragma GCC unroll 8
      for (int i = 0; i < R; ++i) v[i] = get(x + E * (q + g.s * (p + g.m * i)));
      butterfly<R>(v);
      T* const to = y + E * (q + g.s * R * p);
      put(to, v[0]);
      if (p == 0) {
#pragma GCC unroll 8
        for (int i = 1; i < R; ++i) put(to + E * g.s * i, v[i]);
      } else {
#pragma GCC unroll 8
        for (int i = 1; i < R; ++i) put(to + E * g.s * i, times(v[i], w + 2 * (i - 1)));
      }
    }
  }
}

// Any odd radix: sums over pairs of elements that lie opposite.
template <class T>
void stage_any(const FftStage<T>& g, const T* x, T* y) {
  constexpr int64_t E = 2 * kLanes<T>;
  const int r = g.radix, pairs = (r - 1) / 2;
  for (int64_t p = 0; p < g.m; ++p)
    for (int64_t q = 0; q < g.s; ++q) {
      Complex<T> sums[kMostRadix / 2], differences[kMostRadix / 2];
      const Complex<T> first = get(x + E * (q + g.s * p));
      Complex<T> total = first;
      for (int i = 0; i < pairs; ++i) {
        const Complex<T> a = get(x + E * (q + g.s * (p + g.m * (i + 1))));
        const Complex<T> b = get(x + E * (q + g.s * (p + g.m * (r - 1 - i))));
        sums[i] = a + b;
        differences[i] = times_minus_i(a - b);
        total = total + sums[i];
      }
      T* const to = y + E * (q + g.s * r * p);
      put(to, total);
      for (int k = 1; k <= pairs; ++k) {
        Complex<T> even = first, odd{};
        for (int i = 0, place = k; i < pairs;
             ++i, place = place + k >= r ? place + k - r : place + k) {
          even = plus(even, g.roots[2 * place], sums[i]);
          odd = plus(odd, -g.roots[2 * place + 1], differences[i]);
        }
        const T* const w = g.twiddles + p * 2 * (r - 1);
        put(to + E * g.s * k, times(even + odd, w + 2 * (k - 1)));
        put(to + E * g.s * (r - k), times(even - odd, w + 2 * (r - k - 1)));
      }
    }
}

template <class T>
T* transform(const FftStage<T>* stages, int count, T* x, T* y) {
  for (int i = 0; i < count; ++i) {
    const FftStage<T>& g = stages[i];
    switch (g.radix) {
      case 2:
        stage<2>(g, x, y);
        break;
      case 3:
        stage<3>(g, x, y);
        break;
      case 4:
        stage<4>(g, x, y);
        break;
      case 5:
        stage<5>(g, x, y);
        break;
      case 8:
        stage<8>(g, x, y);
        break;
      default:
        stage_any(g, x, y);
    }
    T* const done = y;
    y = x;
    x = done;
  }
  return x;
}

// ---- memory to lanes and back

// Vectors of alternating real and imaginary parts, to one of each and back.
template <class T>
inline Complex<T> parted(Vec<T> low, Vec<T> high) {
  decltype(low < high) even, odd;
  for (int i = 0; i < kLanes<T>; ++i) {
    even[i] = 2 * i;
    odd[i] = 2 * i + 1;
  }
  return {__builtin_shuffle(low, high, even), __builtin_shuffle(low, high, odd)};
}
template <class T>
inline void joined(Complex<T> v, Vec<T>& low, Vec<T>& high) {
  constexpr int L = kLanes<T>;
  decltype(low < high) first, second;
  for (int i = 0; i < L; ++i) {
    first[i] = i / 2 + i % 2 * L;
    second[i] = L / 2 + i / 2 + i % 2 * L;
  }
  low = __builtin_shuffle(v.re, v.im, first);
  high = __builtin_shuffle(v.re, v.im, second);
}

template <class T>
inline Complex<T> oriented(Complex<T> v, bool swapped) {
  return swapped ? Complex<T>{v.im, v.re} : v;
}

inline int64_t within(int64_t n, int64_t most) { return n < 0 ? 0 : n < most ? n : most; }

template <class T>
void load_lines(T* x, const FftLines<T>& lines, int64_t n) {
  constexpr int64_t L = kLanes<T>, E = 2 * L;
  if (lines.columns) {
    const int64_t span = 2 * lines.count;
    for (int64_t j = 0; j < n; ++j) {
      const T* const from = lines.rows[0] + j * lines.step;
      const Vec<T> low = load_as<T>(from, within(span, L));
      const Vec<T> high = span > L ? load_as<T>(from + L, span - L) : Vec<T>{};
      put(x + E * j, oriented(parted<T>(low, high), lines.swapped));
    }
    return;
  }
  if (lines.step == 2 && lines.imaginary == 1) {
    for (int64_t j = 0; j < n; j += L / 2) {
      const int64_t numbers = within(2 * (n - j), L);
      Vec<T> square[L];
#pragma GCC unroll 16
      for (int64_t l = 0; l < L; ++l)
        square[l] = l < lines.count ? load_as<T>(lines.rows[l] + 2 * j, numbers) : Vec<T>{};
      transpose<T>(square);
      for (int64_t k = 0; k < numbers / 2; ++k)
        put(x + E * (j + k), oriented<T>({square[2 * k], square[2 * k + 1]}, lines.swapped));
    }
    return;
  }
  for (int64_t j = 0; j < n; ++j) {
    T* const re = x + E * j + (lines.swapped ? L : 0);
    T* const im = x + E * j + (lines.swapped ? 0 : L);
    for (int64_t l = 0; l < L; ++l) {
      const T* const from = l < lines.count ? lines.rows[l] + j * lines.step : nullptr;
      re[l] = from ? from[0] : T(0);
      im[l] = from && lines.imaginary >= 0 ? from[lines.imaginary] : T(0);
    }
  }
}

template <class T>
void store_lines(const FftLines<T>& lines, const T* x, int64_t n, T scale) {
  constexpr int64_t L = kLanes<T>, E = 2 * L;
  const Vec<T> factor = broadcast(scale);
  const auto element = [&](int64_t j) {
    const Complex<T> v = oriented(get(x + E * j), lines.swapped);
    return Complex<T>{v.re * factor, v.im * factor};
  };
  if (lines.columns) {
    const int64_t span = 2 * lines.count;
    for (int64_t j = 0; j < n; ++j) {
      T* const to = lines.rows[0] + j * lines.step;
      Vec<T> low, high;
      joined<T>(element(j), low, high);
      store_as(to, low, within(span, L));
      if (span > L) store_as(to + L, high, span - L);
    }
    return;
  }
  if (lines.step == 2 && lines.imaginary == 1) {
    for (int64_t j = 0; j < n; j += L / 2) {
      const int64_t numbers = within(2 * (n - j), L);
      Vec<T> square[L] = {};
      for (int64_t k = 0; k < numbers / 2; ++k) {
        const Complex<T> v = element(j + k);
        square[2 * k] = v.re;
        square[2 * k + 1] = v.im;
      }
      transpose<T>(square);
#pragma GCC unroll 16
      for (int64_t l = 0; l < L; ++l)
        if (l < lines.count) store_as(lines.rows[l] + 2 * j, square[l], numbers);
    }
    return;
  }
  for (int64_t j = 0; j < n; ++j) {
    alignas(kVectorBytes) T parts[E];
    put(parts, element(j));
    for (int64_t l = 0; l < lines.count; ++l) {
      T* const to = lines.rows[l] + j * lines.step;
      to[0] = parts[l];
      if (lines.imaginary >= 0) to[lines.imaginary] = parts[L + l];
    }
  }
}

// ---- what is done between

template <class T>
void multiply(T* y, const T* x, const T* factors, int64_t n, bool swap_in, bool swap_out) {
  constexpr int64_t E = 2 * kLanes<T>;
  for (int64_t j = 0; j < n; ++j)
    put(y + E * j, oriented(times(oriented(get(x + E * j), swap_in), factors + 2 * j), swap_out));
}

template <class T>
void twist(T* x, int64_t n, const T* a, const T* b, int64_t width) {
  constexpr int64_t E = 2 * kLanes<T>;
  for (int64_t j = 0; j < n; ++j) {
    const T* const outer = a + j / 16 * 2 * width;
    const T* const inner = b + j % 16 * 2 * width;
    const Complex<T> w =
        times<T>({load(outer), load(outer + width)}, load(inner), load(inner + width));
    put(x + E * j, times<T>(get(x + E * j), w.re, w.im));
  }
}

template <class T>
void join_pairs(T* y, const T* x, int64_t n, const T* w) {
  constexpr int64_t E = 2 * kLanes<T>;
  const Complex<T> zero = get(x);
  put(y, {zero.re + zero.im, Vec<T>{}});
  put(y + E * n, {zero.re - zero.im, Vec<T>{}});
  const Vec<T> half = broadcast(T(0.5));
  for (int64_t k = 1; 2 * k <= n; ++k) {
    const Complex<T> a = get(x + E * k), b = get(x + E * (n - k));
    const Complex<T> even{(a.re + b.re) * half, (a.im - b.im) * half};
    // -i (a - conj(b)) / 2
    const Complex<T> odd{(a.im + b.im) * half, (b.re - a.re) * half};
    const Complex<T> turned = times(odd, w + 2 * k);
    put(y + E * k, even + turned);
    const Complex<T> other = even - turned;
    put(y + E * (n - k), {other.re, -other.im});
  }
}

template <class T>
void split_pairs(T* y, const T* x, int64_t n, const T* w) {
  constexpr int64_t E = 2 * kLanes<T>;
  const Complex<T> first = get(x), last = get(x + E * n);
  put(y, {first.re - last.re, first.re + last.re});
  for (int64_t k = 1; 2 * k <= n; ++k) {
    const Complex<T> a = get(x + E * k), b = get(x + E * (n - k));
    const Complex<T> even{a.re + b.re, a.im - b.im}, odd{a.re - b.re, a.im + b.im};
    // odd times i / w
    const Vec<T> re = broadcast(w[2 * k]), im = broadcast(w[2 * k + 1]);
    const Complex<T> t = times<T>(odd, re, -im);
    const Complex<T> turned{-t.im, t.re};
    const Complex<T> one = even + turned, other = even - turned;
    put(y + E * k, {one.im, one.re});
    put(y + E * (n - k), {-other.im, other.re});
  }
}

template <class T>
void mirror(T* x, int64_t n) {
  constexpr int64_t E = 2 * kLanes<T>;
  put(x, {Vec<T>{}, get(x).im});
  for (int64_t k = 1; 2 * k < n; ++k) {
    const Complex<T> v = get(x + E * k);
    put(x + E * (n - k), {-v.re, v.im});
  }
}

template <class T>
constexpr FftLoops<T> loops() {
  return {kLanes<T>, load_lines<T>, store_lines<T>, transform<T>, multiply<T>,
          twist<T>,  join_pairs<T>, split_pairs<T>, mirror<T>};
}

}  // namespace

extern const FftKernels fft_kernels;
const FftKernels fft_kernels = {loops<float>(), loops<double>()};

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
