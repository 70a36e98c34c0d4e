#include <algorithm>
#include <vector>

#include "core/parallel/isa.h"
#include "core/parallel/parallel.h"
#include "kernels/cpu/loss/loss.h"
#include "kernels/cpu/loss/loss_kernels.h"
#include "kernels/cpu/pointwise/pointwise.h"
#include "kernels/shape/loss.h"

namespace flambeau::inline v1::cpu {
namespace baseline {
extern const LossKernels loss_kernels;
}
namespace avx2 {
extern const LossKernels loss_kernels;
}
namespace avx512 {
extern const LossKernels loss_kernels;
}

namespace {

using shape::kMean;
using shape::kNone;

constexpr int64_t kGrain = 16384;  // elements of a task
constexpr int64_t kBlock = 1024;   // those converted at a time

// Calls f with the loops of the type in which elements of a dtype are computed.
template <class F>
void by_type(DType dtype, F&& f) {
  static const LossKernels& chosen =
      of_isa(baseline::loss_kernels, avx2::loss_kernels, avx512::loss_kernels);
  if (dtype == DType::float64)
    f(chosen.f64);
  else
    f(chosen.f32);
}

// `t` broadcast to `sizes`, row-major; itself when it is that.
Tensor packed_as(const Tensor& t, IntSpan sizes) {
  if (same(t.sizes(), sizes) && t.is_contiguous()) return t;
  const Tensor p = empty(sizes, t.options());
  copy(p, t);
  return p;
}

// The elements of a contiguous tensor in a type, block by block where the tensor has another one.
template <class T>
class Elements {
 public:
  explicit Elements(const Tensor& t)
      : dtype_(t.dtype()), bytes_(t.bytes()), item_(static_cast<int64_t>(t.itemsize())) {}
  bool direct() const { return dtype_ == kOwn; }
  T* place(int64_t i, T* buffer) const {
    return direct() ? reinterpret_cast<T*>(bytes_) + i : buffer;
  }
  const T* read(int64_t i, T* buffer, int64_t n) const {
    if (!direct()) convert(kOwn, buffer, dtype_, bytes_ + i * item_, n);
    return place(i, buffer);
  }
  void write(int64_t i, const T* made, int64_t n) const {
    if (!direct()) convert(dtype_, bytes_ + i * item_, kOwn, made, n);
  }

 private:
  static constexpr DType kOwn = sizeof(T) == 8 ? DType::float64 : DType::float32;
  DType dtype_;
  char* bytes_;
  int64_t item_;
};

// Calls f(begin, end) for the blocks of all tasks; those of a task follow each other.
template <class F>
void for_blocks(int64_t n, F&& f) {
  parallel_for(n, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i += kBlock) f(i, std::min(kBlock, end - i));
  });
}

}  // namespace

void mse_loss(const Tensor& out, const Tensor& self, const Tensor& target, int64_t reduction) {
  const Dims shape = broadcast(self.sizes(), target.sizes(), "mse_loss");
  const Tensor a = packed_as(self, shape), b = packed_as(target, shape);
  const int64_t n = a.numel();
  by_type(out.dtype(), [&]<class T>(const SquareLoops<T>& loops) {
    const Elements<T> from(a), to(b);
    if (reduction == kNone) {
      const Tensor made = out.is_contiguous() ? out : empty(shape, out.options());
      const Elements<T> result(made);
      for_blocks(n, [&](int64_t i, int64_t count) {
        T x[kBlock], y[kBlock], d[kBlock];
        T* const squares = result.place(i, d);
        loops.squares(squares, from.read(i, x, count), to.read(i, y, count), count);
        result.write(i, squares, count);
      });
      if (!made.is(out)) copy(out, made);
      return;
    }
    // Lanes within a task, tasks in order.
    constexpr int kLanes = SquareLoops<T>::kLanes;
    struct Sums {
      double lanes[kLanes] = {};
    };
    std::vector<Sums> tasks((n + kGrain - 1) / kGrain);
    for_blocks(n, [&](int64_t i, int64_t count) {
      T x[kBlock], y[kBlock];
      loops.add_squares(tasks[i / kGrain].lanes, from.read(i, x, count), to.read(i, y, count),
                        count);
    });
    double total = 0;
    for (Sums& task : tasks) {
      for (int width = kLanes / 2; width > 0; width /= 2)
        for (int j = 0; j < width; ++j) task.lanes[j] += task.lanes[j + width];
      total += task.lanes[0];
    }
    Scalar(reduction == kMean ? total / static_cast<double>(n) : total)
        .store(out.bytes(), out.dtype());
  });
}

void mse_loss_backward(const Tensor& out, const Tensor& grad, const Tensor& self,
                       const Tensor& target, int64_t reduction) {
  const IntSpan shape = out.sizes();
  const Tensor a = packed_as(self, shape), b = packed_as(target, shape);
  const bool one = grad.numel() == 1;
  const Tensor g = one ? grad : packed_as(grad, shape);
  const Tensor made = out.is_contiguous() ? out : empty(shape, out.options());
  const int64_t n = out.numel();
  by_type(out.dtype(), [&]<class T>(const SquareLoops<T>& loops) {
    const Elements<T> from(a), to(b), grads(g), result(made);
    T scale = static_cast<T>(reduction == kMean ? 2.0 / static_cast<double>(n) : 2.0);
    if (one) scale = static_cast<T>(scale * grad.value().to_double());
    for_blocks(n, [&](int64_t i, int64_t count) {
      T x[kBlock], y[kBlock], own[kBlock], d[kBlock];
      T* const to_write = result.place(i, d);
      loops.backward(to_write, one ? nullptr : grads.read(i, own, count), scale,
                     from.read(i, x, count), to.read(i, y, count), count);
      result.write(i, to_write, count);
    });
  });
  if (!made.is(out)) copy(out, made);
}

}  // namespace flambeau::inline v1::cpu
