#include "kernels/cpu/pointwise/vectors.h"
#include "kernels/cpu/scan/scan_kernels.h"
#include "kernels/math/leaves.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {
namespace {

using math::complex;

// ---- what is carried along: Op offers Element, State, kPlaces, identity(), lift(element, index),
// join(a, b) and value(state). Where it is kLanes, vectors are joined too, complex numbers by their
// parts.

template <class T>
struct Wide {  // floats run in double
  using type = T;
};
template <>
struct Wide<float> {
  using type = double;
};
template <>
struct Wide<complex<float>> {
  using type = complex<double>;
};

template <class T>
struct Lanes {  // of a number
  using type = T;
  static constexpr int count = 1;
};
template <class T>
struct Lanes<complex<T>> {
  using type = T;
  static constexpr int count = 2;
};

template <class T>
struct Arithmetic {
  using Element = T;
  using State = typename Wide<T>::type;
  static constexpr bool kPlaces = false, kLanes = false;
  FLAMBEAU_LEAF State lift(T x, int64_t) { return math::cast<State>(x); }
  FLAMBEAU_LEAF T value(State s) { return math::cast<T>(s); }
};

template <class T>
struct Sum : Arithmetic<T> {
  using State = typename Arithmetic<T>::State;
  static constexpr bool kLanes = true;
  FLAMBEAU_LEAF State identity() { return State{}; }
  template <class V>
  FLAMBEAU_LEAF V join(V a, V b) {
    return a + b;
  }
};

template <class T>
struct Product : Arithmetic<T> {
  using State = typename Arithmetic<T>::State;
  static constexpr bool kLanes = Lanes<State>::count == 1;
  FLAMBEAU_LEAF State identity() { return math::cast<State>(1.0f); }
  template <class V>
  FLAMBEAU_LEAF V join(V a, V b) {
    return a * b;
  }
};

FLAMBEAU_LEAF double log_add(double a, double b) { return math::logaddexp(a, b); }
FLAMBEAU_LEAF complex<double> log_add(complex<double> a, complex<double> b) {
  const bool a_larger = a.re >= b.re;
  const complex<double> large = a_larger ? a : b, small = a_larger ? b : a;
  const complex<double> y = large + math::log1p(math::exp(small - large));
  return small.re == -math::infinity<double> ? large : y;  // nothing is added
}

template <class T>
struct LogSumExp : Arithmetic<T> {
  using State = typename Arithmetic<T>::State;
  FLAMBEAU_LEAF State identity() { return math::cast<State>(-math::infinity<double>); }
  FLAMBEAU_LEAF State join(State a, State b) { return log_add(a, b); }
};

// The later of equal elements wins, and a later NaN.
template <class T, bool largest>
struct Extreme {
  using Element = T;
  struct State {
    T value;
    int64_t index;  // -1: nothing yet
  };
  static constexpr bool kPlaces = true, kLanes = false;
  FLAMBEAU_LEAF State identity() { return {T(0), -1}; }
  FLAMBEAU_LEAF State lift(T x, int64_t index) { return {x, index}; }
  FLAMBEAU_LEAF State join(State a, State b) {
    const bool better = largest ? b.value >= a.value : b.value <= a.value;
    const bool wins = (better & (a.value == a.value)) | (b.value != b.value) | (a.index < 0);
    return wins & (b.index >= 0) ? b : a;
  }
  FLAMBEAU_LEAF T value(State s) { return s.value; }
};
template <class T>
using Max = Extreme<T, true>;
template <class T>
using Min = Extreme<T, false>;

// ---- loops

template <class Op>
struct Scanner {
  using T = typename Op::Element;
  using State = typename Op::State;

  static void row(const void* src, void* dst, int64_t* indices, int64_t n, int64_t index,
                  void* state) {
    const T* p = static_cast<const T*>(src);
    T* q = static_cast<T*>(dst);
    State s = *static_cast<State*>(state);
    if (!Op::kPlaces && q) {
      for (int64_t i = 0; i < n; ++i) {
        s = Op::join(s, Op::lift(p[i], index + i));
        q[i] = Op::value(s);
      }
      *static_cast<State*>(state) = s;
      return;
    }
    for (int64_t i = 0; i < n; ++i) {
      s = Op::join(s, Op::lift(p[i], index + i));
      if (q) q[i] = Op::value(s);
      if constexpr (Op::kPlaces)
        if (indices) indices[i] = s.index;
    }
    *static_cast<State*>(state) = s;
  }

  static void columns(const void* src, void* dst, int64_t* indices, int64_t cols, int64_t stride,
                      int64_t n, int64_t index, int64_t apart, void* states) {
    const T* p = static_cast<const T*>(src);
    T* q = static_cast<T*>(dst);
    State* __restrict s = static_cast<State*>(states);
    for (int64_t i = 0; i < n; ++i, p += stride, q += stride) {
#pragma GCC ivdep
      for (int64_t j = 0; j < cols; ++j) {
        s[j] = Op::join(s[j], Op::lift(p[j], index + i + j * apart));
        q[j] = Op::value(s[j]);
      }
      if constexpr (Op::kPlaces)
        for (int64_t j = 0; j < cols; ++j) indices[i * stride + j] = s[j].index;
    }
  }

  static void rows(const void* src, void* dst, int64_t rows, int64_t n) {
    const T* p = static_cast<const T*>(src);
    T* q = static_cast<T*>(dst);
    for (int64_t r = 0; r < rows; ++r, p += n, q += n) {
      State s = Op::identity();
      int64_t i = 0;
      if constexpr (Op::kLanes) i = whole_vectors(p, q, n, s);
      for (; i < n; ++i) {
        s = Op::join(s, Op::lift(p[i], i));
        q[i] = Op::value(s);
      }
    }
  }

  // Vector after vector: what its elements make together takes steps of 1, 2, 4 ... elements; then
  // what came before is joined to all. Gives how many elements are done.
  FLAMBEAU_LEAF int64_t whole_vectors(const T* p, T* q, int64_t n, State& s) {
    using Lane = typename Lanes<State>::type;
    constexpr int kParts = Lanes<State>::count, kWidth = Vector<Lane>::kWidth;
    constexpr auto kAll = std::make_integer_sequence<int, kWidth>();
    vector_t<Lane> before;
    for (int k = 0; k < kWidth; k += kParts) __builtin_memcpy(lane(before) + k, &s, sizeof s);
    const vector_t<Lane> none = before;
    int64_t i = 0;
    for (; i + kWidth / kParts <= n; i += kWidth / kParts) {
      const vector_t<Lane> own = prefixes<Lane, kParts, kWidth>(lifted<Lane>(p + i), none);
      const vector_t<Lane> v = Op::join(before, own);
      before = last<Lane, kParts>(v, kAll);
      lower<Lane>(q + i, v);
    }
    __builtin_memcpy(&s, lane(before), sizeof s);
    return i;
  }
  template <class V>
  FLAMBEAU_LEAF auto* lane(V& v) {
    return reinterpret_cast<typename Lanes<State>::type*>(&v);
  }
  template <class Lane, int step, int width>
  FLAMBEAU_LEAF vector_t<Lane> prefixes(vector_t<Lane> v, vector_t<Lane> none) {
    if constexpr (step >= width)
      return v;
    else
      return prefixes<Lane, 2 * step, width>(
          Op::join(later<Lane, step>(v, none, std::make_integer_sequence<int, width>()), v), none);
  }
  // Each lane `step` places on, behind lanes of `none`.
  template <class Lane, int step, int... I>
  FLAMBEAU_LEAF vector_t<Lane> later(vector_t<Lane> v, vector_t<Lane> none,
                                     std::integer_sequence<int, I...>) {
    return __builtin_shufflevector(none, v, (I < step ? I : sizeof...(I) + I - step)...);
  }
  template <class Lane, int parts, int... I>
  FLAMBEAU_LEAF vector_t<Lane> last(vector_t<Lane> v, std::integer_sequence<int, I...>) {
    return __builtin_shufflevector(v, v, (sizeof...(I) - parts + I % parts)...);
  }
  // Elements as lanes of the state's type, and back.
  template <class Lane>
  FLAMBEAU_LEAF vector_t<Lane> lifted(const T* p) {
    using Part = typename Lanes<T>::type;
    if constexpr (__is_same(Part, Lane)) {
      return load<Lane>(reinterpret_cast<const Lane*>(p));
    } else {
      typedef Part Narrow __attribute__((vector_size(kVectorBytes / sizeof(Lane) * sizeof(Part))));
      Narrow v;
      __builtin_memcpy(&v, p, sizeof v);
      return __builtin_convertvector(v, vector_t<Lane>);
    }
  }
  template <class Lane>
  FLAMBEAU_LEAF void lower(T* q, vector_t<Lane> v) {
    using Part = typename Lanes<T>::type;
    if constexpr (__is_same(Part, Lane)) {
      __builtin_memcpy(q, &v, sizeof v);
    } else {
      typedef Part Narrow __attribute__((vector_size(kVectorBytes / sizeof(Lane) * sizeof(Part))));
      const Narrow made = __builtin_convertvector(v, Narrow);
      __builtin_memcpy(q, &made, sizeof made);
    }
  }

  static void identity(void* states, int64_t n) {
    for (int64_t i = 0; i < n; ++i) static_cast<State*>(states)[i] = Op::identity();
  }
  static void join(void* state, const void* later) {
    State* s = static_cast<State*>(state);
    *s = Op::join(*s, *static_cast<const State*>(later));
  }

  static constexpr ScanKernel kernel() {
    return {sizeof(State), row, columns, identity, join, Op::kLanes ? rows : nullptr};
  }
};

template <template <class> class Op, class T>
constexpr ScanKernel scan() {
  return Scanner<Op<T>>::kernel();
}
constexpr ScanKernel kNone = {};
using C64 = complex<float>;
using C128 = complex<double>;

}  // namespace

// By compute type, in the order of the enumerations.
#define FLAMBEAU_INEXACT(Op, integers)                                   \
  {scan<Op, float>(), scan<Op, double>(), kNone, integers, kNone, kNone, \
   scan<Op, C64>(),   scan<Op, C128>()}
#define FLAMBEAU_ORDERED(Op)                                                        \
  {scan<Op, float>(), scan<Op, double>(), scan<Op, int32_t>(), scan<Op, int64_t>(), \
   scan<Op, uint64_t>()}

extern const ScanKernels scan_kernels;
const ScanKernels scan_kernels = {{
    FLAMBEAU_INEXACT(Sum, (scan<Sum, int64_t>())),
    FLAMBEAU_INEXACT(Product, (scan<Product, int64_t>())),
    FLAMBEAU_ORDERED(Max),
    FLAMBEAU_ORDERED(Min),
    FLAMBEAU_INEXACT(LogSumExp, kNone),
}};

#undef FLAMBEAU_INEXACT
#undef FLAMBEAU_ORDERED

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
