#include <type_traits>

#include "kernels/cpu/matmul/gemm/simd.h"
#include "kernels/cpu/pool/pool_kernels.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {
namespace {

inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

template <class T>
constexpr bool kFloating = T(0.5) != T(0);

template <class T>
constexpr T lowest() {
  if constexpr (kFloating<T>)
    return -static_cast<T>(__builtin_inf());
  else if constexpr (T(-1) > T(0))
    return 0;
  else
    return static_cast<T>(uint64_t{1} << (8 * sizeof(T) - 1));
}

// The inputs of a window along one dimension: [begin, end) in steps of the dilation.
struct Span {
  int64_t begin, end, step;

  Span(const PoolDim& d, int64_t out) : begin(d.begin[out]), end(d.end[out]), step(d.dilate) {}
  bool empty() const { return begin >= end; }
};

// What a number that is stored as S is computed as.
template <class S>
struct Computed {
  using type = S;
};
template <>
struct Computed<BFloat16> {
  using type = float;
};
template <>
struct Computed<Float16> {
  using type = float;
};
template <class S>
using computed_t = typename Computed<S>::type;

template <class S>
inline computed_t<S> read_one(const S* p) {
  if constexpr (__is_same(S, computed_t<S>))
    return *p;
  else
    return value_of<computed_t<S>>(p);
}

// Rows of windows of one depth: what they share.
struct Row {
  Span deep, rows;
  int64_t height, width;  // of the plane

  Row(const PoolWindow& w, int64_t row)
      : deep(w.dims[0], row / w.dims[1].out),
        rows(w.dims[1], row % w.dims[1].out),
        height(w.dims[1].in),
        width(w.dims[2].in) {}
  bool empty() const { return deep.empty() || rows.empty(); }
  // The place of a window's first element, which is its largest unless another is larger.
  int64_t first(const Span& cols) const {
    return empty() || cols.empty() ? -1 : line(deep.begin, rows.begin) + cols.begin;
  }
  int64_t line(int64_t k, int64_t i) const { return (k * height + i) * width; }
  // Calls f(place of the first column) for each row of the plane that a window has.
  template <class F>
  void lines(F f) const {
    for (int64_t k = deep.begin; k < deep.end; k += deep.step)
      for (int64_t i = rows.begin; i < rows.end; i += rows.step) f(line(k, i));
  }
};

template <class S>
inline void pool_one(const S* x, S* y, int64_t* where, const PoolWindow& w, const Row& row,
                     int64_t col) {
  using T = computed_t<S>;
  const Span cols(w.dims[2], col);
  T best = lowest<T>();
  int64_t at = row.first(cols);
  S kept;
  if (at >= 0)
    kept = x[at];
  else if constexpr (__is_same(S, T))
    kept = best;
  else
    store_as(&kept, broadcast(best), 1);
  row.lines([&](int64_t line) {
    for (int64_t j = cols.begin; j < cols.end; j += cols.step) {
      const T v = read_one(x + line + j);
      const bool wins = v > best || v != v;
      best = wins ? v : best;
      kept = wins ? x[line + j] : kept;
      at = wins ? line + j : at;
    }
  });
  y[col] = kept;
  where[col] = at;
}

// Elements 0, Step, 2 Step ... from p on.
template <int Step, class T, class S>
inline Vec<T> load_steps(const S* p, int64_t count) {
  if constexpr (__is_same(S, T)) {
    return load_every<Step>(p, count);
  } else if constexpr (Step == 1) {
    return load_as<T>(p, count);
  } else {
    constexpr int L = kLanes<T>;
    const int64_t span = 2 * count - 1;
    const Vec<T> low = load_as<T>(p, smaller(span, L));
    const Vec<T> high = span > L ? load_as<T>(p + L, span - L) : Vec<T>{};
    decltype(low > high) even;
    for (int i = 0; i < L; ++i) even[i] = 2 * i;
    return __builtin_shuffle(low, high, even);
  }
}

// `count` windows of a row side by side, from column `col` on, that have no padding to their sides.
template <int Step, class S>
inline void pool_vector(const S* x, S* y, int64_t* where, const PoolWindow& w, const Row& row,
                        int64_t col, int64_t count) {
  using T = computed_t<S>;
  constexpr int L = kLanes<T>;
  using Places = decltype(Vec<T>{} > Vec<T>{});
  using Place = std::remove_reference_t<decltype(Places{}[0])>;
  const PoolDim& cols = w.dims[2];
  const int64_t left = col * Step - cols.pad;
  Places from;
  for (int i = 0; i < L; ++i) from[i] = Step * i;
  from += static_cast<Place>(left);
  Vec<T> best = broadcast(lowest<T>());
  Places at = Places{} - 1;
  if (!row.empty()) at = from + static_cast<Place>(row.line(row.deep.begin, row.rows.begin));
  row.lines([&](int64_t line) {
    Places here = from + static_cast<Place>(line);
    for (int64_t s = 0; s < cols.kernel; ++s) {
      const Vec<T> v = load_steps<Step, T>(x + line + left + s * cols.dilate, count);
      const Places wins = (v > best) | (v != v);
      best = wins ? v : best;
      at = wins ? here : at;
      here += static_cast<Place>(cols.dilate);
    }
  });
  int64_t places[L];
  for (int i = 0; i < L; ++i) places[i] = at[i];
  store_as(y + col, best, count);
  if (count == L)
    memcpy(where + col, places, sizeof(places));
  else
    memcpy(where + col, places, static_cast<size_t>(count) * sizeof(int64_t));
}

template <int Step, class S>
inline void pool_plane_by(const S* x, S* y, int64_t* where, const PoolWindow& w) {
  constexpr int L = kLanes<computed_t<S>>;
  const PoolDim& cols = w.dims[2];
  const int64_t inner_end =
      (cols.in + cols.pad - (cols.kernel - 1) * cols.dilate - 1 + Step) / Step;
  const int64_t begin = smaller(cols.out, (cols.pad + Step - 1) / Step);
  const int64_t end = larger(begin, smaller(cols.out, inner_end));
  for (int64_t r = 0; r < w.dims[0].out * w.dims[1].out; ++r) {
    const Row row(w, r);
    for (int64_t col = 0; col < begin; ++col) pool_one(x, y, where, w, row, col);
    for (int64_t col = begin; col < end; col += L)
      pool_vector<Step>(x, y, where, w, row, col, smaller(L, end - col));
    for (int64_t col = end; col < cols.out; ++col) pool_one(x, y, where, w, row, col);
    y += cols.out;
    where += cols.out;
  }
}

template <class S>
void pool_plane(const void* from, void* to, int64_t* where, const PoolWindow& w) {
  const S* const x = static_cast<const S*>(from);
  S* y = static_cast<S*>(to);
  if constexpr (kFloating<computed_t<S>>) {
    const bool places_fit = w.dims[0].in * w.dims[1].in * w.dims[2].in <= INT32_MAX;
    if (places_fit && w.dims[2].step == 1) return pool_plane_by<1>(x, y, where, w);
    if (places_fit && w.dims[2].step == 2) return pool_plane_by<2>(x, y, where, w);
  }
  for (int64_t r = 0; r < w.dims[0].out * w.dims[1].out; ++r) {
    const Row row(w, r);
    for (int64_t col = 0; col < w.dims[2].out; ++col) pool_one(x, y, where, w, row, col);
    y += w.dims[2].out;
    where += w.dims[2].out;
  }
}

// ---- channels that are neighbours

// Calls f(p, place) for each input of a window; p are its channels.
template <class S, class F>
inline void for_inputs(const S* x, int64_t channels, const Row& row, const Span& cols, F f) {
  row.lines([&](int64_t line) {
    for (int64_t j = cols.begin; j < cols.end; j += cols.step)
      f(x + (line + j) * channels, line + j);
  });
}

// `count` channels of one window.
template <class S>
inline void pool_lanes(const S* x, S* y, int64_t* where, int64_t channels, const Row& row,
                       const Span& cols, int64_t count) {
  using T = computed_t<S>;
  constexpr int L = kLanes<T>;
  using Places = decltype(Vec<T>{} > Vec<T>{});
  using Place = std::remove_reference_t<decltype(Places{}[0])>;
  Vec<T> best = broadcast(lowest<T>());
  Places at = Places{} + static_cast<Place>(row.first(cols));
  for_inputs(x, channels, row, cols, [&](const S* p, int64_t place) {
    const Vec<T> v = load_as<T>(p, count);
    const Places wins = (v > best) | (v != v);
    best = wins ? v : best;
    at = wins ? Places{} + static_cast<Place>(place) : at;
  });
  store_as(y, best, count);
  int64_t places[L];
  for (int i = 0; i < L; ++i) places[i] = at[i];
  memcpy(where, places, static_cast<size_t>(count) * sizeof(int64_t));
}

template <class T>
inline void pool_block(const T* x, T* y, int64_t* where, int64_t channels, const Row& row,
                       const Span& cols, int64_t count) {
  for (int64_t c = 0; c < count; ++c) {
    y[c] = lowest<T>();
    where[c] = row.first(cols);
  }
  for_inputs(x, channels, row, cols, [&](const T* p, int64_t place) {
    for (int64_t c = 0; c < count; ++c) {
      const bool wins = p[c] > y[c] || p[c] != p[c];
      y[c] = wins ? p[c] : y[c];
      where[c] = wins ? place : where[c];
    }
  });
}

template <class S>
void pool_row(const void* from, void* to, int64_t* where, const PoolWindow& w, int64_t channels,
              int64_t r) {
  using T = computed_t<S>;
  constexpr int64_t kBlock = kFloating<T> ? kLanes<T> : 512;  // results stay in the L1 cache
  const S* const x = static_cast<const S*>(from);
  S* y = static_cast<S*>(to);
  const Row row(w, r);
  for (int64_t col = 0; col < w.dims[2].out; ++col, y += channels, where += channels) {
    const Span cols(w.dims[2], col);
    for (int64_t c = 0; c < channels; c += kBlock) {
      const int64_t count = smaller(kBlock, channels - c);
      if constexpr (kFloating<T>)
        pool_lanes(x + c, y + c, where + c, channels, row, cols, count);
      else
        pool_block(x + c, y + c, where + c, channels, row, cols, count);
    }
  }
}

template <class S>
constexpr PoolLoops loops() {
  return {pool_plane<S>, pool_row<S>};
}

}  // namespace

extern const PoolKernels pool_kernels;
const PoolKernels pool_kernels = {
    .f32 = loops<float>(),
    .f64 = loops<double>(),
    .f16 = loops<Float16>(),
    .bf16 = loops<BFloat16>(),
    .i64 = loops<int64_t>(),
    .i32 = loops<int32_t>(),
    .i16 = loops<int16_t>(),
    .i8 = loops<int8_t>(),
    .u8 = loops<uint8_t>(),
};

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
