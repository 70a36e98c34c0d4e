#include "kernels/cpu/norm/rows.h"
#include "kernels/cpu/norm/softmax_kernels.h"
#include "kernels/math/leaves.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {
namespace {

// Elements are stored as S and computed as T. A NaN makes its whole row NaN by way of the sum, so
// the largest element is sought as if there were none.
//
// The sum of a column joins those of its stretches, which keeps long ones exact enough.
template <class T, class S>
struct Lines : Rows<T, S> {
  using Vec = vector_t<T>;
  using Rows<T, S>::kWidth, Rows<T, S>::read, Rows<T, S>::sum, Rows<T, S>::write;
  static constexpr int64_t kColumnStretch = 64, kTogether = 4 * kWidth;
  static_assert(kTogether <= SoftmaxKernel::kTogether);
  static constexpr bool kStored = __is_same(S, T);  // as computed

  FLAMBEAU_LEAF T least() { return -math::infinity<T>; }
  FLAMBEAU_LEAF Vec larger(Vec a, Vec b) { return a > b ? a : b; }
  FLAMBEAU_LEAF Vec exp_below(Vec x) {
    return each<T>(x, [](T y) { return exp_of_negative(y); });
  }

  // ---- rows

  FLAMBEAU_LEAF T largest(const S* x, int64_t n) {
    const Vec none = broadcast<T>(least());
    Vec a = none, b = none;
    int64_t i = 0;
    for (; i + 2 * kWidth <= n; i += 2 * kWidth) {
      a = larger(read(x + i, kWidth), a);
      b = larger(read(x + i + kWidth, kWidth), b);
    }
    for (; i < n; i += kWidth) {
      const int64_t m = n - i < kWidth ? n - i : kWidth;
      a = larger(only<T>(read(x + i, m), m, none), a);
    }
    return across<T>(larger(a, b), [](Vec u, Vec v) { return larger(u, v); });
  }

  // Several rows go through each step together: the next step of one waits for its last.
  static constexpr int64_t kRows = SoftmaxKernel::kRows;

  FLAMBEAU_LEAF void rows_plain(S* out, const S* x, const S*, int64_t rows, int64_t n, T* room) {
    T top[kRows], scale[kRows];
    T* e = room;
    if constexpr (kStored) e = out;
    for (int64_t r = 0; r < rows; ++r) top[r] = largest(x + r * n, n);
    for (int64_t r = 0; r < rows; ++r) {
      const Vec most = broadcast(top[r]);
      const double total = sum(n, [&](int64_t i, int64_t m) {
        const Vec y = exp_below(read(x + r * n + i, m) - most);
        store<T>(e + r * n + i, y, m);
        return y;
      });
      scale[r] = static_cast<T>(1 / total);
    }
    for (int64_t r = 0; r < rows; ++r) {
      const Vec all = broadcast(scale[r]);
      write(out + r * n, n,
            [&](int64_t i, int64_t m) { return widened<T>(e + r * n + i, m) * all; });
    }
  }
  FLAMBEAU_LEAF void rows_log(S* out, const S* x, const S*, int64_t rows, int64_t n, T*) {
    T top[kRows], total[kRows];
    for (int64_t r = 0; r < kRows; ++r) total[r] = 1;
    for (int64_t r = 0; r < rows; ++r) top[r] = largest(x + r * n, n);
    for (int64_t r = 0; r < rows; ++r) {
      const Vec most = broadcast(top[r]);
      total[r] = static_cast<T>(
          sum(n, [&](int64_t i, int64_t m) { return exp_below(read(x + r * n + i, m) - most); }));
    }
    for (int64_t r = 0; r < kRows; ++r) total[r] = math::log(total[r]);
    for (int64_t r = 0; r < rows; ++r) {
      const Vec most = broadcast(top[r]), log_sum = broadcast(total[r]);
      write(out + r * n, n,
            [&](int64_t i, int64_t m) { return read(x + r * n + i, m) - most - log_sum; });
    }
  }
  FLAMBEAU_LEAF void rows_plain_backward(S* out, const S* grad, const S* y, int64_t rows, int64_t n,
                                         T*) {
    T dot[kRows];
    for (int64_t r = 0; r < rows; ++r)
      dot[r] = static_cast<T>(sum(n, [&](int64_t i, int64_t m) {
        return read(grad + r * n + i, m) * read(y + r * n + i, m);
      }));
    for (int64_t r = 0; r < rows; ++r) {
      const Vec all = broadcast(dot[r]);
      write(out + r * n, n, [&](int64_t i, int64_t m) {
        return (read(grad + r * n + i, m) - all) * read(y + r * n + i, m);
      });
    }
  }
  FLAMBEAU_LEAF void rows_log_backward(S* out, const S* grad, const S* y, int64_t rows, int64_t n,
                                       T*) {
    T total[kRows];
    for (int64_t r = 0; r < rows; ++r)
      total[r] =
          static_cast<T>(sum(n, [&](int64_t i, int64_t m) { return read(grad + r * n + i, m); }));
    for (int64_t r = 0; r < rows; ++r) {
      const Vec all = broadcast(total[r]);
      write(out + r * n, n, [&](int64_t i, int64_t m) {
        const Vec e = each<T>(read(y + r * n + i, m), [](T v) { return math::exp(v); });
        return read(grad + r * n + i, m) - e * all;
      });
    }
  }

  // ---- columns: `vectors` side by side, the last with m lanes

  template <int vectors>
  struct Block {
    Vec of[vectors];
  };

  // Calls f(element, v, m) for the vectors of each row.
  template <int vectors, class F>
  FLAMBEAU_LEAF void walk(int64_t begin, int64_t end, int64_t stride, int64_t m, F f) {
    for (int64_t r = begin; r < end; ++r) {
#pragma GCC unroll 8
      for (int v = 0; v < vectors; ++v)
        f(r, r * stride + v * kWidth, v, v + 1 == vectors ? m : kWidth);
    }
  }

  template <int vectors, class F>
  FLAMBEAU_LEAF Block<vectors> sums(int64_t n, int64_t stride, int64_t m, F term) {
    Block<vectors> total{};
    for (int64_t begin = 0; begin < n; begin += kColumnStretch) {
      const int64_t end = begin + kColumnStretch < n ? begin + kColumnStretch : n;
      Block<vectors> part{};
      walk<vectors>(begin, end, stride, m, [&](int64_t r, int64_t i, int v, int64_t lanes) {
        part.of[v] += term(r, i, v, lanes);
      });
      for (int v = 0; v < vectors; ++v) total.of[v] += part.of[v];
    }
    return total;
  }

  template <int vectors>
  FLAMBEAU_LEAF Block<vectors> largest(const S* x, int64_t n, int64_t stride, int64_t m) {
    Block<vectors> top;
    for (int v = 0; v < vectors; ++v) top.of[v] = broadcast<T>(least());
    walk<vectors>(0, n, stride, m, [&](int64_t, int64_t i, int v, int64_t lanes) {
      top.of[v] = larger(read(x + i, lanes), top.of[v]);
    });
    return top;
  }

  template <int vectors>
  FLAMBEAU_LEAF void block_plain(S* out, const S* x, const S*, int64_t n, int64_t stride, int64_t m,
                                 T* room) {
    const auto top = largest<vectors>(x, n, stride, m);
    const auto place = [&](int64_t r, int64_t i, int v) {
      if constexpr (kStored)
        return out + i;
      else
        return room + (r * vectors + v) * kWidth;
    };
    auto scale = sums<vectors>(n, stride, m, [&](int64_t r, int64_t i, int v, int64_t lanes) {
      const Vec y = exp_below(read(x + i, lanes) - top.of[v]);
      store<T>(place(r, i, v), y, lanes);
      return y;
    });
    for (int v = 0; v < vectors; ++v) scale.of[v] = T(1) / scale.of[v];
    walk<vectors>(0, n, stride, m, [&](int64_t r, int64_t i, int v, int64_t lanes) {
      narrow<T>(out + i, widened<T>(place(r, i, v), lanes) * scale.of[v], lanes);
    });
  }
  template <int vectors>
  FLAMBEAU_LEAF void block_log(S* out, const S* x, const S*, int64_t n, int64_t stride, int64_t m,
                               T*) {
    const auto top = largest<vectors>(x, n, stride, m);
    auto log_sum = sums<vectors>(n, stride, m, [&](int64_t, int64_t i, int v, int64_t lanes) {
      return exp_below(read(x + i, lanes) - top.of[v]);
    });
    for (int v = 0; v < vectors; ++v)
      log_sum.of[v] = each<T>(log_sum.of[v], [](T y) { return math::log(y); });
    walk<vectors>(0, n, stride, m, [&](int64_t, int64_t i, int v, int64_t lanes) {
      narrow<T>(out + i, read(x + i, lanes) - top.of[v] - log_sum.of[v], lanes);
    });
  }
  template <int vectors>
  FLAMBEAU_LEAF void block_plain_backward(S* out, const S* grad, const S* y, int64_t n,
                                          int64_t stride, int64_t m, T*) {
    const auto dot = sums<vectors>(n, stride, m, [&](int64_t, int64_t i, int, int64_t lanes) {
      return read(grad + i, lanes) * read(y + i, lanes);
    });
    walk<vectors>(0, n, stride, m, [&](int64_t, int64_t i, int v, int64_t lanes) {
      narrow<T>(out + i, (read(grad + i, lanes) - dot.of[v]) * read(y + i, lanes), lanes);
    });
  }
  template <int vectors>
  FLAMBEAU_LEAF void block_log_backward(S* out, const S* grad, const S* y, int64_t n,
                                        int64_t stride, int64_t m, T*) {
    const auto total = sums<vectors>(n, stride, m, [&](int64_t, int64_t i, int, int64_t lanes) {
      return read(grad + i, lanes);
    });
    walk<vectors>(0, n, stride, m, [&](int64_t, int64_t i, int v, int64_t lanes) {
      const Vec e = each<T>(read(y + i, lanes), [](T z) { return math::exp(z); });
      narrow<T>(out + i, read(grad + i, lanes) - e * total.of[v], lanes);
    });
  }

  // ---- the table

#define FLAMBEAU_LINES(name)                                                                       \
  static void name##_rows(void* out, const void* first, const void* second, int64_t rows,          \
                          int64_t n, void* room) {                                                 \
    const int64_t together = SoftmaxKernel::rows_together(n);                                      \
    for (int64_t r = 0; r < rows; r += together)                                                   \
      rows_##name(static_cast<S*>(out) + r * n, static_cast<const S*>(first) + r * n,              \
                  static_cast<const S*>(second) + r * n,                                           \
                  rows - r < together ? rows - r : together, n, static_cast<T*>(room));            \
  }                                                                                                \
  static void name##_columns(void* out, const void* first, const void* second, int64_t cols,       \
                             int64_t stride, int64_t n, void* room) {                              \
    constexpr int kVectors = static_cast<int>(kTogether / kWidth);                                 \
    for (int64_t c = 0; c < cols;) {                                                               \
      S* const o = static_cast<S*>(out) + c;                                                       \
      const S *const p = static_cast<const S*>(first) + c, *const q =                              \
                                                               static_cast<const S*>(second) + c;  \
      const int64_t left = cols - c;                                                               \
      if (left >= kTogether) {                                                                     \
        block_##name<kVectors>(o, p, q, n, stride, kWidth, static_cast<T*>(room));                 \
        c += kTogether;                                                                            \
      } else {                                                                                     \
        block_##name<1>(o, p, q, n, stride, left < kWidth ? left : kWidth, static_cast<T*>(room)); \
        c += kWidth;                                                                               \
      }                                                                                            \
    }                                                                                              \
  }
  FLAMBEAU_LINES(plain)
  FLAMBEAU_LINES(log)
  FLAMBEAU_LINES(plain_backward)
  FLAMBEAU_LINES(log_backward)
#undef FLAMBEAU_LINES
};

#define FLAMBEAU_SOFTMAXES(T, S)                                                   \
  {                                                                                \
    {Lines<T, S>::plain_rows, Lines<T, S>::plain_columns},                         \
        {Lines<T, S>::log_rows, Lines<T, S>::log_columns},                         \
        {Lines<T, S>::plain_backward_rows, Lines<T, S>::plain_backward_columns}, { \
      Lines<T, S>::log_backward_rows, Lines<T, S>::log_backward_columns            \
    }                                                                              \
  }

}  // namespace

extern const SoftmaxKernels softmax_kernels;
const SoftmaxKernels softmax_kernels = {
    FLAMBEAU_SOFTMAXES(float, float), FLAMBEAU_SOFTMAXES(double, double),
    FLAMBEAU_SOFTMAXES(float, math::float16), FLAMBEAU_SOFTMAXES(float, math::bfloat16)};

#undef FLAMBEAU_SOFTMAXES
}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
