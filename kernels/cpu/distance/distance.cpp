#include "kernels/cpu/distance/distance.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/parallel/parallel.h"
#include "kernels/cpu/pointwise/pointwise.h"

namespace flambeau::inline v1::cpu {
namespace {

// A norm: how a difference enters the sum, what the sum is in the end, and the slope of a distance
// with respect to a difference.
struct Zero {
  template <class T>
  T merge(T a, T b) const {
    return a + b;
  }
  template <class T>
  T join(T sum, T d) const {
    return sum + static_cast<T>(d != 0);
  }
  template <class T>
  T end(T sum) const {
    return sum;
  }
  template <class T>
  T slope(T, T) const {
    return 0;
  }
};

template <class T>
T sign(T d) {
  return static_cast<T>((d > 0) - (d < 0));
}

struct One {
  template <class T>
  T merge(T a, T b) const {
    return a + b;
  }
  template <class T>
  T join(T sum, T d) const {
    return sum + std::fabs(d);
  }
  template <class T>
  T end(T sum) const {
    return sum;
  }
  template <class T>
  T slope(T d, T) const {
    return sign(d);
  }
};

struct Two {
  template <class T>
  T merge(T a, T b) const {
    return a + b;
  }
  template <class T>
  T join(T sum, T d) const {
    return sum + d * d;
  }
  template <class T>
  T end(T sum) const {
    return std::sqrt(sum);
  }
  template <class T>
  T slope(T d, T distance) const {
    return distance == 0 ? T(0) : d / distance;
  }
};

struct Largest {
  template <class T>
  T merge(T a, T b) const {
    return std::isnan(b) || b > a ? b : a;
  }
  template <class T>
  T join(T sum, T d) const {
    return std::isnan(d) || std::fabs(d) > sum ? std::fabs(d) : sum;
  }
  template <class T>
  T end(T sum) const {
    return sum;
  }
  template <class T>
  T slope(T d, T distance) const {
    return std::fabs(d) == distance ? sign(d) : T(0);
  }
};

struct Power {
  double p;
  template <class T>
  T merge(T a, T b) const {
    return a + b;
  }
  template <class T>
  T join(T sum, T d) const {
    return sum + std::pow(std::fabs(d), static_cast<T>(p));
  }
  template <class T>
  T end(T sum) const {
    return std::pow(sum, static_cast<T>(1 / p));
  }
  template <class T>
  T slope(T d, T distance) const {
    if (distance == 0 || d == 0) return 0;
    return sign(d) * std::pow(std::fabs(d) / distance, static_cast<T>(p - 1));
  }
};

template <class F>
void by_norm(double p, F&& f) {
  if (p == 0) return f(Zero{});
  if (p == 1) return f(One{});
  if (p == 2) return f(Two{});
  if (p == std::numeric_limits<double>::infinity()) return f(Largest{});
  f(Power{p});
}

template <class F>
void by_type(DType dtype, double p, F&& f) {
  if (dtype == DType::float64)
    by_norm(p, [&](auto norm) { f(double{}, norm); });
  else
    by_norm(p, [&](auto norm) { f(float{}, norm); });
}

Tensor packed(const Tensor& t) {
  if (t.is_contiguous()) return t;
  const Tensor p = empty(t.sizes(), t.options());
  copy(p, t);
  return p;
}

// Lanes, so that an element does not wait for the last one; they are joined in a fixed order.
template <class T, class Norm>
T distance(const Norm& norm, const T* a, const T* b, int64_t n) {
  constexpr int kLanes = 8;
  T lanes[kLanes] = {};
  int64_t k = 0;
  for (; k + kLanes <= n; k += kLanes)
    for (int j = 0; j < kLanes; ++j) lanes[j] = norm.join(lanes[j], a[k + j] - b[k + j]);
  for (int j = 0; k + j < n; ++j) lanes[j] = norm.join(lanes[j], a[k + j] - b[k + j]);
  for (int width = kLanes / 2; width > 0; width /= 2)
    for (int j = 0; j < width; ++j) lanes[j] = norm.merge(lanes[j], lanes[j + width]);
  return norm.end(lanes[0]);
}

// Rows of a task, so that it has some thousands of operations.
int64_t grain(int64_t work) { return std::max<int64_t>(1, 16384 / std::max<int64_t>(work, 1)); }

}  // namespace

void cdist(const Tensor& out, const Tensor& x1, const Tensor& x2, double p) {
  if (out.numel() == 0) return;
  const Tensor a = packed(x1), b = packed(x2);
  const int64_t width = a.sizes().back(), rows = a.sizes()[a.dim() - 2];
  const int64_t others = b.sizes()[b.dim() - 2];
  by_type(out.dtype(), p, [&](auto zero, auto norm) {
    using T = decltype(zero);
    parallel_for(out.numel() / others, grain(others * width), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r)
        for (int64_t j = 0; j < others; ++j)
          out.data<T>()[r * others + j] = distance(
              norm, a.data<T>() + r * width, b.data<T>() + (r / rows * others + j) * width, width);
    });
  });
}

void cdist_backward(const Tensor& out, const Tensor& grad, const Tensor& x1, const Tensor& x2,
                    double p, const Tensor& distances) {
  if (out.numel() == 0) return;
  const Tensor a = packed(x1), b = packed(x2), g = packed(grad), far = packed(distances);
  const int64_t width = a.sizes().back(), rows = a.sizes()[a.dim() - 2];
  const int64_t others = b.sizes()[b.dim() - 2];
  by_type(out.dtype(), p, [&](auto zero, auto norm) {
    using T = decltype(zero);
    parallel_for(out.numel() / width, grain(others * width), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        T* const to = out.data<T>() + r * width;
        const T* const own = a.data<T>() + r * width;
        std::fill(to, to + width, T(0));
        for (int64_t j = 0; j < others; ++j) {
          const T scale = g.data<T>()[r * others + j], length = far.data<T>()[r * others + j];
          if (length == 0) continue;
          const T* const other = b.data<T>() + (r / rows * others + j) * width;
          for (int64_t k = 0; k < width; ++k)
            to[k] += scale * norm.slope(own[k] - other[k], length);
        }
      }
    });
  });
}

void pdist(const Tensor& out, const Tensor& self, double p) {
  if (out.numel() == 0) return;
  const Tensor a = packed(self);
  const int64_t rows = a.sizes()[0], width = a.sizes()[1];
  by_type(out.dtype(), p, [&](auto zero, auto norm) {
    using T = decltype(zero);
    parallel_for(rows, grain(rows * width), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        T* to = out.data<T>() + i * rows - i * (i + 1) / 2;
        for (int64_t j = i + 1; j < rows; ++j)
          *to++ = distance(norm, a.data<T>() + i * width, a.data<T>() + j * width, width);
      }
    });
  });
}

}  // namespace flambeau::inline v1::cpu
