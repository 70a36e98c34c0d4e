#include "kernels/cpu/attention/attention_kernels.h"
#include "kernels/cpu/norm/rows.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {
namespace {

template <class T>
struct Tiles {
  using Vec = vector_t<T>;
  using Tile = ScoreTile<T>;
  static constexpr int64_t kWidth = Vector<T>::kWidth;

  FLAMBEAU_LEAF T least() { return -math::infinity<T>; }
  FLAMBEAU_LEAF Vec exp_below(Vec x) {
    return each<T>(x, [](T y) { return exp_of_negative(y); });
  }
  FLAMBEAU_LEAF int64_t counted(const Tile& t, int64_t r) {
    const int64_t n = t.visible + r;
    return n < 0 ? 0 : n < t.cols ? n : t.cols;
  }
  // Scaled and masked.
  FLAMBEAU_LEAF Vec score(const T* s, const T* mask, int64_t step, Vec scale, int64_t i,
                          int64_t m) {
    const Vec x = widened<T>(s + i, m) * scale;
    if (!mask) return x;
    return x + (step == 0 ? broadcast(*mask) : widened<T>(mask + i, m));
  }
  FLAMBEAU_LEAF const T* mask_of(const Tile& t, int64_t r) {
    return t.mask ? t.mask + r * t.mask_row : nullptr;
  }

  static void softmax(const Tile& t, bool first, T* most, T* sum, T* acc, int64_t width) {
    const Vec scale = broadcast(t.scale), none = broadcast<T>(least());
    for (int64_t r = 0; r < t.rows; ++r) {
      T* const s = t.scores + r * t.ld;
      const T* const mask = mask_of(t, r);
      const int64_t n = counted(t, r);
      Vec top = none;
      for_vectors<T>(n, [&](int64_t i, int64_t m) {
        const Vec x = score(s, mask, t.mask_col, scale, i, m);
        store<T>(s + i, x, m);
        const Vec lanes = only<T>(x, m, none);
        top = lanes > top ? lanes : top;
      });
      const T before = first ? least() : most[r];
      const T found = across<T>(top, [](Vec a, Vec b) { return a > b ? a : b; });
      const T now = found > before ? found : before;
      const Vec base = broadcast(now == least() ? T(0) : now);
      Vec total{};
      for_vectors<T>(n, [&](int64_t i, int64_t m) {
        const Vec y = exp_below(widened<T>(s + i, m) - base);
        store<T>(s + i, y, m);
        total += only<T>(y, m, Vec{});
      });
      for (int64_t i = n; i < t.cols; ++i) s[i] = 0;
      const T own = across<T>(total, [](Vec a, Vec b) { return a + b; });
      most[r] = now;
      if (first) {
        sum[r] = own;
        continue;
      }
      const T shrunk = before == now ? T(1) : exp_of_negative(before - now);
      sum[r] = sum[r] * shrunk + own;
      if (shrunk == T(1)) continue;
      T* const a = acc + r * width;
      const Vec factor = broadcast(shrunk);
      for_vectors<T>(
          width, [&](int64_t i, int64_t m) { store<T>(a + i, widened<T>(a + i, m) * factor, m); });
    }
  }

  static void gradient(const Tile& t, T* grad, const T* lse, const T* dot) {
    const Vec scale = broadcast(t.scale);
    for (int64_t r = 0; r < t.rows; ++r) {
      T *const s = t.scores + r * t.ld, *const d = grad + r * t.ld;
      const T* const mask = mask_of(t, r);
      const int64_t n = lse[r] == least() ? 0 : counted(t, r);
      const Vec base = broadcast(lse[r]), minus = broadcast(dot[r]);
      for_vectors<T>(n, [&](int64_t i, int64_t m) {
        const Vec p = exp_below(score(s, mask, t.mask_col, scale, i, m) - base);
        store<T>(s + i, p, m);
        store<T>(d + i, p * (widened<T>(d + i, m) - minus) * scale, m);
      });
      for (int64_t i = n; i < t.cols; ++i) s[i] = d[i] = 0;
    }
  }

  static void finish(T* acc, int64_t rows, int64_t width, const T* most, const T* sum, T* lse) {
    for (int64_t r = 0; r < rows; ++r) {
      T* const a = acc + r * width;
      const T total = sum[r];
      lse[r] = total == T(0) ? least() : most[r] + math::log(total);
      const Vec factor = broadcast(total == T(0) ? T(0) : T(1) / total);
      for_vectors<T>(
          width, [&](int64_t i, int64_t m) { store<T>(a + i, widened<T>(a + i, m) * factor, m); });
    }
  }

  static void dots(T* out, const T* a, int64_t a_row, const T* b, int64_t b_row, int64_t rows,
                   int64_t n) {
    for (int64_t r = 0; r < rows; ++r) {
      Vec total{};
      for_vectors<T>(n, [&](int64_t i, int64_t m) {
        total += widened<T>(a + r * a_row + i, m) * widened<T>(b + r * b_row + i, m);
      });
      out[r] = across<T>(total, [](Vec u, Vec v) { return u + v; });
    }
  }

  static constexpr AttentionKernels<T> kernels() { return {softmax, gradient, finish, dots}; }
};

}  // namespace

extern const AllAttentionKernels attention_kernels;
const AllAttentionKernels attention_kernels = {Tiles<float>::kernels(), Tiles<double>::kernels()};

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
