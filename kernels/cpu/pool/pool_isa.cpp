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
  int64_t begin, end;

  Span(const PoolWindow& w, int d, int64_t out) {
    begin = out * w.step[d] - w.pad[d];
    end = begin + (w.kernel[d] - 1) * w.dilate[d] + 1;
    if (end > w.in[d]) end = w.in[d];
    if (begin < 0) begin += (w.dilate[d] - 1 - begin) / w.dilate[d] * w.dilate[d];
  }
  bool empty() const { return begin >= end; }
};

// The place of a window's first element, which is its largest unless another is larger.
inline int64_t first_place(const PoolWindow& w, const Span& rows, const Span& cols) {
  return rows.empty() || cols.empty() ? -1 : rows.begin * w.in[1] + cols.begin;
}

template <class T>
inline void pool_one(const T* x, T* y, int64_t* where, const PoolWindow& w, const Span& rows,
                     int64_t col) {
  const Span cols(w, 1, col);
  T best = lowest<T>();
  int64_t at = first_place(w, rows, cols);
  for (int64_t i = rows.begin; i < rows.end; i += w.dilate[0])
    for (int64_t j = cols.begin; j < cols.end; j += w.dilate[1]) {
      const T v = x[i * w.in[1] + j];
      const bool wins = v > best || v != v;
      best = wins ? v : best;
      at = wins ? i * w.in[1] + j : at;
    }
  y[col] = best;
  where[col] = at;
}

// `count` windows of a row side by side, from column `col` on, that have no padding to their sides.
template <int Step, class T>
inline void pool_vector(const T* x, T* y, int64_t* where, const PoolWindow& w, const Span& rows,
                        int64_t col, int64_t count) {
  constexpr int L = kLanes<T>;
  using Places = decltype(Vec<T>{} > Vec<T>{});
  using Place = std::remove_reference_t<decltype(Places{}[0])>;
  const int64_t left = col * Step - w.pad[1];
  Places place;
  for (int i = 0; i < L; ++i) place[i] = Step * i;
  place += static_cast<Place>(rows.begin * w.in[1] + left);
  Vec<T> best = broadcast(lowest<T>());
  Places at = rows.empty() ? Places{} - 1 : place;
  for (int64_t i = rows.begin; i < rows.end; i += w.dilate[0]) {
    Places here = place;
    for (int64_t s = 0; s < w.kernel[1]; ++s) {
      const Vec<T> v = load_every<Step>(x + i * w.in[1] + left + s * w.dilate[1], count);
      const Places wins = (v > best) | (v != v);
      best = wins ? v : best;
      at = wins ? here : at;
      here += static_cast<Place>(w.dilate[1]);
    }
    place += static_cast<Place>(w.dilate[0] * w.in[1]);
  }
  int64_t places[L];
  for (int i = 0; i < L; ++i) places[i] = at[i];
  if (count == L) {
    store(y + col, best);
    memcpy(where + col, places, sizeof(places));
  } else {
    store(y + col, best, first_lanes<T>(count));
    memcpy(where + col, places, static_cast<size_t>(count) * sizeof(int64_t));
  }
}

template <int Step, class T>
inline void pool_plane_by(const T* x, T* y, int64_t* where, const PoolWindow& w) {
  constexpr int L = kLanes<T>;
  const int64_t inner_end =
      (w.in[1] + w.pad[1] - (w.kernel[1] - 1) * w.dilate[1] - 1 + Step) / Step;
  const int64_t begin = smaller(w.out[1], (w.pad[1] + Step - 1) / Step);
  const int64_t end = larger(begin, smaller(w.out[1], inner_end));
  for (int64_t row = 0; row < w.out[0]; ++row) {
    const Span rows(w, 0, row);
    for (int64_t col = 0; col < begin; ++col) pool_one(x, y, where, w, rows, col);
    for (int64_t col = begin; col < end; col += L)
      pool_vector<Step>(x, y, where, w, rows, col, smaller(L, end - col));
    for (int64_t col = end; col < w.out[1]; ++col) pool_one(x, y, where, w, rows, col);
    y += w.out[1];
    where += w.out[1];
  }
}

template <class T>
void pool_plane(const T* x, T* y, int64_t* where, const PoolWindow& w) {
  if constexpr (kFloating<T>) {
    const bool places_fit = w.in[0] * w.in[1] <= INT32_MAX;
    if (places_fit && w.step[1] == 1) return pool_plane_by<1>(x, y, where, w);
    if (places_fit && w.step[1] == 2) return pool_plane_by<2>(x, y, where, w);
  }
  for (int64_t row = 0; row < w.out[0]; ++row) {
    const Span rows(w, 0, row);
    for (int64_t col = 0; col < w.out[1]; ++col) pool_one(x, y, where, w, rows, col);
    y += w.out[1];
    where += w.out[1];
  }
}

// ---- channels that are neighbours

// Calls f(p, place) for each input of a window; p are its channels.
template <class T, class F>
inline void for_inputs(const T* x, const PoolWindow& w, int64_t channels, const Span& rows,
                       const Span& cols, F f) {
  for (int64_t i = rows.begin; i < rows.end; i += w.dilate[0])
    for (int64_t j = cols.begin; j < cols.end; j += w.dilate[1]) {
      const int64_t place = i * w.in[1] + j;
      f(x + place * channels, place);
    }
}

// `count` channels of one window.
template <class T>
inline void pool_lanes(const T* x, T* y, int64_t* where, const PoolWindow& w, int64_t channels,
                       const Span& rows, const Span& cols, int64_t count) {
  constexpr int L = kLanes<T>;
  using Places = decltype(Vec<T>{} > Vec<T>{});
  using Place = std::remove_reference_t<decltype(Places{}[0])>;
  Vec<T> best = broadcast(lowest<T>());
  Places at = Places{} + static_cast<Place>(first_place(w, rows, cols));
  for_inputs(x, w, channels, rows, cols, [&](const T* p, int64_t place) {
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
inline void pool_block(const T* x, T* y, int64_t* where, const PoolWindow& w, int64_t channels,
                       const Span& rows, const Span& cols, int64_t count) {
  for (int64_t c = 0; c < count; ++c) {
    y[c] = lowest<T>();
    where[c] = first_place(w, rows, cols);
  }
  for_inputs(x, w, channels, rows, cols, [&](const T* p, int64_t place) {
    for (int64_t c = 0; c < count; ++c) {
      const bool wins = p[c] > y[c] || p[c] != p[c];
      y[c] = wins ? p[c] : y[c];
      where[c] = wins ? place : where[c];
    }
  });
}

template <class T>
void pool_row(const T* x, T* y, int64_t* where, const PoolWindow& w, int64_t channels,
              int64_t row) {
  constexpr int64_t kBlock = kFloating<T> ? kLanes<T> : 512;  // results stay in the L1 cache
  const Span rows(w, 0, row);
  for (int64_t col = 0; col < w.out[1]; ++col, y += channels, where += channels) {
    const Span cols(w, 1, col);
    for (int64_t c = 0; c < channels; c += kBlock) {
      const int64_t count = smaller(kBlock, channels - c);
      if constexpr (kFloating<T>)
        pool_lanes(x + c, y + c, where + c, w, channels, rows, cols, count);
      else
        pool_block(x + c, y + c, where + c, w, channels, rows, cols, count);
    }
  }
}

template <class T>
constexpr PoolLoops<T> loops() {
  return {pool_plane<T>, pool_row<T>};
}

}  // namespace

extern const PoolKernels pool_kernels;
const PoolKernels pool_kernels = {
    .f32 = loops<float>(),
    .f64 = loops<double>(),
    .i64 = loops<int64_t>(),
    .i32 = loops<int32_t>(),
    .i16 = loops<int16_t>(),
    .i8 = loops<int8_t>(),
    .u8 = loops<uint8_t>(),
};

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
