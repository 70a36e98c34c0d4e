// Note [Recurrent steps]
// A step is a product with the recurrent weights, which are packed once for all steps, then the
// gates of all its rows. An element of a product is one chain of sums over k whatever the tile that
// it falls into, so rows and columns may be shared among threads in any way.
#include <utility>

#include "kernels/cpu/matmul/gemm/simd.h"
#include "kernels/cpu/rnn/rnn_kernels.h"
#include "kernels/math/leaves.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {
namespace {

constexpr int kRows = 6;  // of a tile
#if defined(__AVX512F__)
constexpr int kVectors = 4;
#else
constexpr int kVectors = 2;
#endif
template <class T>
constexpr int64_t kPanel = kVectors * kLanes<T>;

// ---- products

template <class T>
void pack(T* panels, const T* b, int64_t k, int64_t n, int64_t k_stride, int64_t n_stride) {
  constexpr int64_t L = kLanes<T>;
  for (int64_t p = 0; p < n; p += kPanel<T>) {
    const int64_t left = n - p < kPanel<T> ? n - p : kPanel<T>;
    const int64_t width = (left + L - 1) / L * L;
    for (int64_t v = 0; v < width; v += L) {
      const int64_t columns = left - v < L ? left - v : L;
      const T* from = b + (p + v) * n_stride;
      T* to = panels + p * k + v;
      if (n_stride == 1) {
        for (int64_t q = 0; q < k; ++q)
          store(to + q * width, load_as<T>(from + q * k_stride, columns));
        continue;
      }
      for (int64_t q = 0; q < k; q += L) {
        const int64_t rows = k - q < L ? k - q : L;
        Vec<T> square[L];
        for (int64_t j = 0; j < L; ++j)
          square[j] = j < columns
                          ? load_strided<T>(from + j * n_stride + q * k_stride, k_stride, rows)
                          : Vec<T>{};
        transpose<T>(square);
        for (int64_t i = 0; i < rows; ++i) store(to + (q + i) * width, square[i]);
      }
    }
  }
}

// Rows x Vectors of a product; `tail` elements of the last vector are stored.
template <int Rows, int Vectors, class T>
void tile(T* c, int64_t c_stride, const T* a, int64_t a_stride, const T* panel, int64_t k,
          int64_t tail, bool add) {
  constexpr int L = kLanes<T>;
  Vec<T> acc[Rows][Vectors] = {};
  for (int64_t q = 0; q < k; ++q) {
    Vec<T> columns[Vectors];
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) columns[v] = load(panel + v * L);
#pragma GCC unroll 8
    for (int i = 0; i < Rows; ++i) {
      const Vec<T> row = broadcast(a[i * a_stride + q]);
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v) acc[i][v] = fma(row, columns[v], acc[i][v]);
    }
    panel += Vectors * L;
  }
#pragma GCC unroll 8
  for (int i = 0; i < Rows; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) {
      T* const to = c + i * c_stride + v * L;
      const int64_t count = v < Vectors - 1 ? L : tail;
      if (add) acc[i][v] += load_as<T>(to, count);
      store_as(to, acc[i][v], count);
    }
  }
}

template <class T>
struct Tiles {
  using Tile = void (*)(T*, int64_t, const T*, int64_t, const T*, int64_t, int64_t, bool);
  template <int Rows, int... V>
  static constexpr Tile of(int64_t vectors, std::integer_sequence<int, V...>) {
    constexpr Tile row[] = {tile<Rows, V + 1, T>...};
    return row[vectors - 1];
  }
  static Tile get(int64_t rows, int64_t vectors) {
    constexpr auto all = std::make_integer_sequence<int, kVectors>();
    switch (rows) {
      case 1:
        return of<1>(vectors, all);
      case 2:
        return of<2>(vectors, all);
      case 3:
        return of<3>(vectors, all);
      case 4:
        return of<4>(vectors, all);
      case 5:
        return of<5>(vectors, all);
      default:
        return of<kRows>(vectors, all);
    }
  }
};

template <class T>
void product(T* c, int64_t c_stride, const T* a, int64_t a_stride, const T* panels, int64_t rows,
             int64_t k, int64_t n, bool add) {
  constexpr int64_t L = kLanes<T>;
  for (int64_t p = 0; p < n; p += kPanel<T>) {
    const int64_t left = n - p < kPanel<T> ? n - p : kPanel<T>;
    const int64_t vectors = (left + L - 1) / L, tail = left - (vectors - 1) * L;
    for (int64_t i = 0; i < rows; i += kRows) {
      const int64_t count = rows - i < kRows ? rows - i : kRows;
      Tiles<T>::get(count, vectors)(c + i * c_stride + p, c_stride, a + i * a_stride, a_stride,
                                    panels + p * k, k, tail, add);
    }
  }
}

// ---- gates

// f of each lane.
template <class T, class F>
FLAMBEAU_LEAF Vec<T> each(Vec<T> v, F f) {
  alignas(kVectorBytes) T lanes[kLanes<T>];
  store(lanes, v);
  for (int j = 0; j < kLanes<T>; ++j) lanes[j] = f(lanes[j]);
  return load(lanes);
}
template <class T>
FLAMBEAU_LEAF Vec<T> sigmoid(Vec<T> v) {
  return each<T>(v, [](T x) { return math::sigmoid(x); });
}
template <class T>
FLAMBEAU_LEAF Vec<T> tanh(Vec<T> v) {
  return each<T>(v, [](T x) { return math::tanh(x); });
}

// Calls f(row, unit, count) for the vectors of units of each row.
template <class T, class S, class F>
FLAMBEAU_LEAF void for_units(const S& s, F f) {
  constexpr int64_t L = kLanes<T>;
  for (int64_t i = 0; i < s.rows; ++i)
    for (int64_t u = s.begin; u < s.end; u += L) f(i, u, s.end - u < L ? s.end - u : L);
}

template <class T, bool relu>
void plain_step(const RnnStep<T>& s) {
  for_units<T>(s, [&](int64_t i, int64_t u, int64_t n) {
    T* const gate = s.gates + i * s.gates_stride + u;
    Vec<T> x = load_as<T>(gate, n);
    if (s.bias) x += load_as<T>(s.bias + u, n);
    const Vec<T> h = relu ? (x > 0 ? x : x != x ? x : Vec<T>{}) : tanh<T>(x);
    store_as(s.h + i * s.h_stride + u, h, n);
    store_as(s.out + i * s.out_stride + u, h, n);
  });
}

template <class T>
void lstm_step(const RnnStep<T>& s) {
  for_units<T>(s, [&](int64_t i, int64_t u, int64_t n) {
    T* const gates = s.gates + i * s.gates_stride + u;
    const auto gate = [&](int64_t g) {
      Vec<T> x = load_as<T>(gates + g * s.units, n);
      if (s.bias) x += load_as<T>(s.bias + g * s.units + u, n);
      return x;
    };
    const Vec<T> in = sigmoid<T>(gate(0)), forget = sigmoid<T>(gate(1));
    const Vec<T> cell = tanh<T>(gate(2)), out = sigmoid<T>(gate(3));
    T* const state = s.c + i * s.units + u;
    const Vec<T> c = forget * load_as<T>(state, n) + in * cell;
    const Vec<T> h = out * tanh<T>(c);
    store_as(state, c, n);
    if (s.kept) store_as(s.kept + i * s.kept_stride + u, c, n);
    store_as(s.h + i * s.h_stride + u, h, n);
    if (s.out) store_as(s.out + i * s.out_stride + u, h, n);
    if (!s.keep) return;
    store_as(gates, in, n);
    store_as(gates + s.units, forget, n);
    store_as(gates + 2 * s.units, cell, n);
    store_as(gates + 3 * s.units, out, n);
  });
}

// Gates: reset, update, then what the state and what the input gives to the new state.
template <class T>
void gru_step(const RnnStep<T>& s) {
  for_units<T>(s, [&](int64_t i, int64_t u, int64_t n) {
    T* const gates = s.gates + i * s.gates_stride + u;
    const auto gate = [&](int64_t g) {
      Vec<T> x = load_as<T>(gates + g * s.units, n);
      if (s.bias) x += load_as<T>(s.bias + g * s.units + u, n);
      return x;
    };
    const Vec<T> reset = sigmoid<T>(gate(0)), update = sigmoid<T>(gate(1)), state = gate(2);
    const Vec<T> made = tanh<T>(gate(3) + reset * state);
    T* const h = s.h + i * s.h_stride + u;
    const Vec<T> now = made + update * (load_as<T>(h, n) - made);
    store_as(h, now, n);
    store_as(s.out + i * s.out_stride + u, now, n);
    if (!s.keep) return;
    store_as(gates, reset, n);
    store_as(gates + s.units, update, n);
    store_as(gates + 2 * s.units, state, n);
    store_as(gates + 3 * s.units, made, n);
  });
}

// ---- backwards

template <class T>
FLAMBEAU_LEAF Vec<T> hidden_gradient(const RnnStepBack<T>& s, int64_t i, int64_t u, int64_t n) {
  Vec<T> g = load_as<T>(s.dh + i * s.dh_stride + u, n);
  if (s.grad_out) g += load_as<T>(s.grad_out + i * s.grad_out_stride + u, n);
  return g;
}

template <class T, bool relu>
void plain_step_back(const RnnStepBack<T>& s) {
  for_units<T>(s, [&](int64_t i, int64_t u, int64_t n) {
    const Vec<T> g = hidden_gradient(s, i, u, n);
    const Vec<T> h = load_as<T>(s.gates + i * s.gates_stride + u, n);
    const Vec<T> made = relu ? (h > 0 ? g : Vec<T>{}) : g * (1 - h * h);
    store_as(s.dgates + i * s.dgates_stride + u, made, n);
  });
}

template <class T>
void lstm_step_back(const RnnStepBack<T>& s) {
  for_units<T>(s, [&](int64_t i, int64_t u, int64_t n) {
    const Vec<T> g = hidden_gradient(s, i, u, n);
    const T* const gates = s.gates + i * s.gates_stride + u;
    const Vec<T> in = load_as<T>(gates, n), forget = load_as<T>(gates + s.units, n);
    const Vec<T> cell = load_as<T>(gates + 2 * s.units, n);
    const Vec<T> out = load_as<T>(gates + 3 * s.units, n);
    const Vec<T> bent = tanh<T>(load_as<T>(s.c + i * s.gates_stride + u, n));
    T* const dc = s.dc + i * s.units + u;
    const Vec<T> d = load_as<T>(dc, n) + g * out * (1 - bent * bent);
    const Vec<T> before = load_as<T>(s.before + i * s.before_stride + u, n);
    T* const to = s.dgates + i * s.dgates_stride + u;
    store_as(to, d * cell * in * (1 - in), n);
    store_as(to + s.units, d * before * forget * (1 - forget), n);
    store_as(to + 2 * s.units, d * in * (1 - cell * cell), n);
    store_as(to + 3 * s.units, g * bent * out * (1 - out), n);
    store_as(dc, d * forget, n);
  });
}

template <class T>
void gru_step_back(const RnnStepBack<T>& s) {
  for_units<T>(s, [&](int64_t i, int64_t u, int64_t n) {
    const Vec<T> g = hidden_gradient(s, i, u, n);
    const T* const gates = s.gates + i * s.gates_stride + u;
    const Vec<T> reset = load_as<T>(gates, n), update = load_as<T>(gates + s.units, n);
    const Vec<T> state = load_as<T>(gates + 2 * s.units, n);
    const Vec<T> made = load_as<T>(gates + 3 * s.units, n);
    const Vec<T> before = load_as<T>(s.before + i * s.before_stride + u, n);
    const Vec<T> d = g * (1 - update) * (1 - made * made);
    T* const to = s.dgates + i * s.dgates_stride + u;
    store_as(to, d * state * reset * (1 - reset), n);
    store_as(to + s.units, g * (before - made) * update * (1 - update), n);
    store_as(to + 2 * s.units, d * reset, n);
    store_as(to + 3 * s.units, d, n);
    store_as(s.dh + i * s.dh_stride + u, g * update, n);
  });
}

template <class T>
void column_sums(T* sums, const T* x, int64_t stride, int64_t rows, int64_t n) {
  constexpr int64_t L = kLanes<T>, kStretch = 128;
  for (int64_t u = 0; u < n; u += L) {
    const int64_t count = n - u < L ? n - u : L;
    Vec<T> total{};
    for (int64_t begin = 0; begin < rows; begin += kStretch) {
      const int64_t end = begin + kStretch < rows ? begin + kStretch : rows;
      Vec<T> even{}, odd{};
      int64_t i = begin;
      for (; i + 1 < end; i += 2) {
        even += load_as<T>(x + i * stride + u, count);
        odd += load_as<T>(x + (i + 1) * stride + u, count);
      }
      if (i < end) even += load_as<T>(x + i * stride + u, count);
      total += even + odd;
    }
    store_as(sums + u, total, count);
  }
}

template <class T>
constexpr RnnLoops<T> loops() {
  return {
      kPanel<T>,
      pack<T>,
      product<T>,
      {plain_step<T, true>, plain_step<T, false>, lstm_step<T>, gru_step<T>},
      {plain_step_back<T, true>, plain_step_back<T, false>, lstm_step_back<T>, gru_step_back<T>},
      column_sums<T>};
}

}  // namespace

extern const RnnKernels rnn_kernels;
const RnnKernels rnn_kernels = {loops<float>(), loops<double>()};

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
