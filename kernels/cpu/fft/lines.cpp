// Note [Lanes]
// Transforms of one length are done as many at a time as a vector has lanes, each in a lane of its
// own: no step has to move numbers within a vector. Many short lines are taken like that. A long
// one is rows and columns, of which there are as many (Note [Rows and columns] in plan.h).
// Which way a line goes depends on its length and on the number of lines, not on threads.
#include "kernels/cpu/fft/lines.h"

#include <algorithm>
#include <cstring>

#include "core/parallel/parallel.h"

namespace flambeau::inline v1::cpu {
namespace {

constexpr int64_t kMostLanes = 16;
constexpr int64_t kNear = int64_t{1} << 19;  // bytes of a buffer that stays near the processor

// Memory for two buffers, which starts at a cache line.
template <class T>
class Room {
 public:
  explicit Room(int64_t n)
      : memory_(empty({{n}}, {sizeof(T) == 4 ? DType::float32 : DType::float64})) {}
  T* data() const { return memory_.template data<T>(); }

 private:
  Tensor memory_;
};

template <class T>
struct Buffers {
  int64_t size;
  Room<T> room;
  explicit Buffers(int64_t elements) : size(2 * fft_loops<T>().lanes * elements), room(2 * size) {}
  T* first() const { return room.data(); }
  T* second() const { return room.data() + size; }
  T* other(const T* x) const { return x == first() ? second() : first(); }
};

// x, in lanes, to its transform, which stands in either buffer.
template <class T>
T* in_lanes(const FftPlan<T>& plan, T* x, const Buffers<T>& buffers) {
  const FftLoops<T>& loops = fft_loops<T>();
  if (!plan.inner)
    return loops.transform(plan.stages.data(), static_cast<int>(plan.stages.size()), x,
                           buffers.other(x));
  const FftPlan<T>& inner = *plan.inner;
  loops.multiply(x, x, plan.chirp.data(), plan.n, false, false);
  std::fill(x + 2 * loops.lanes * plan.n, x + 2 * loops.lanes * inner.n, T(0));
  x = in_lanes(inner, x, buffers);
  loops.multiply(x, x, plan.response.data(), inner.n, false, true);
  x = in_lanes(inner, x, buffers);
  loops.multiply(x, x, plan.chirp.data(), plan.n, true, false);
  return x;
}

void multiply(auto* y, const auto* x, const auto* w, int64_t n, bool swap_in, bool swap_out) {
  for (int64_t j = 0; j < n; ++j) {
    const auto a = x[2 * j + swap_in], b = x[2 * j + !swap_in];
    const auto re = a * w[2 * j] - b * w[2 * j + 1], im = a * w[2 * j + 1] + b * w[2 * j];
    y[2 * j + swap_out] = re;
    y[2 * j + !swap_out] = im;
  }
}

// Columns of a matrix of complex numbers without gaps, side by side.
template <class T>
FftLines<T> columns_at(T* (&rows)[1], T* at, int64_t count, int64_t width, bool swapped) {
  rows[0] = at;
  return {rows, static_cast<int>(count), 2 * width, 1, true, swapped};
}

template <class T>
void by_rows_and_columns(const FftPlan<T>& plan, const T* in, T* out, bool swapped, T scale) {
  const FftLoops<T>& loops = fft_loops<T>();
  const int64_t lanes = loops.lanes, n1 = plan.columns->n, n2 = plan.rows->n;
  const Room<T> between(2 * plan.n);  // n2 x n1
  const int64_t grain = std::max<int64_t>(1, 4096 / (plan.columns->room() * lanes));
  const auto blocks = [&](int64_t n) { return (n + lanes - 1) / lanes; };
  parallel_for(blocks(n2), grain, [&](int64_t first, int64_t end) {
    const Buffers<T> buffers(plan.columns->room());
    for (int64_t i = first; i < end; ++i) {
      const int64_t at = i * lanes, count = std::min(lanes, n2 - at);
      T* column[1];
      T* x = buffers.first();
      loops.load(x, columns_at(column, const_cast<T*>(in) + 2 * at, count, n2, swapped), n1);
      x = in_lanes(*plan.columns, x, buffers);
      loops.twist(x, n1, plan.outer.data() + at, plan.inside.data() + at, plan.width);
      T* rows[kMostLanes];
      for (int64_t l = 0; l < count; ++l) rows[l] = between.data() + 2 * n1 * (at + l);
      loops.store({rows, static_cast<int>(count), 2, 1, false, false}, x, n1, T(1));
    }
  });
  const int64_t row_grain = std::max<int64_t>(1, 4096 / (plan.rows->room() * lanes));
  parallel_for(blocks(n1), row_grain, [&](int64_t first, int64_t end) {
    const Buffers<T> buffers(plan.rows->room());
    for (int64_t i = first; i < end; ++i) {
      const int64_t at = i * lanes, count = std::min(lanes, n1 - at);
      T* column[1];
      T* x = buffers.first();
      loops.load(x, columns_at(column, between.data() + 2 * at, count, n1, false), n2);
      x = in_lanes(*plan.rows, x, buffers);
      loops.store(columns_at(column, out + 2 * at, count, n1, swapped), x, n2, scale);
    }
  });
}

// ---- real lines

template <class T>
void join_pairs(T* out, int64_t step, const T* z, int64_t n, const T* w, T scale) {
  const auto put = [&](int64_t k, T re, T im) {
    out[k * step] = re * scale;
    out[k * step + 1] = im * scale;
  };
  put(0, z[0] + z[1], T(0));
  put(n, z[0] - z[1], T(0));
  for (int64_t k = 1; 2 * k <= n; ++k) {
    const T *a = z + 2 * k, *b = z + 2 * (n - k);
    const T even_re = (a[0] + b[0]) / 2, even_im = (a[1] - b[1]) / 2;
    const T odd_re = (a[1] + b[1]) / 2, odd_im = (b[0] - a[0]) / 2;
    const T re = odd_re * w[2 * k] - odd_im * w[2 * k + 1];
    const T im = odd_re * w[2 * k + 1] + odd_im * w[2 * k];
    put(k, even_re + re, even_im + im);
    put(n - k, even_re - re, im - even_im);
  }
}

template <class T>
void split_pairs(T* z, const T* in, int64_t step, int64_t n, const T* w) {
  z[0] = in[0] + in[n * step];
  z[1] = in[0] - in[n * step];
  for (int64_t k = 1; 2 * k <= n; ++k) {
    const T *a = in + k * step, *b = in + (n - k) * step;
    const T even_re = a[0] + b[0], even_im = a[1] - b[1];
    const T odd_re = a[0] - b[0], odd_im = a[1] + b[1];
    // odd times i / w
    const T re = odd_re * w[2 * k + 1] - odd_im * w[2 * k];
    const T im = odd_re * w[2 * k] + odd_im * w[2 * k + 1];
    z[2 * k] = even_re + re;
    z[2 * k + 1] = even_im + im;
    z[2 * (n - k)] = even_re - re;
    z[2 * (n - k) + 1] = im - even_im;
  }
}

template <class T>
void gather(T* to, const T* from, int64_t n, int64_t step, int64_t imaginary) {
  for (int64_t j = 0; j < n; ++j) {
    to[2 * j] = from[j * step];
    to[2 * j + 1] = imaginary < 0 ? T(0) : from[j * step + imaginary];
  }
}
template <class T>
void scatter(T* to, const T* from, int64_t n, int64_t step, int64_t imaginary) {
  for (int64_t j = 0; j < n; ++j) {
    to[j * step] = from[2 * j];
    if (imaginary >= 0) to[j * step + imaginary] = from[2 * j + 1];
  }
}

// How the elements of a line are seen as complex numbers.
template <class T>
struct View {
  int64_t n;  // complex numbers
  int64_t step, imaginary;
  bool dense() const { return step == 2 && imaginary == 1; }
};

// A line as the transform behind it sees it: pairs of real numbers are complex ones.
template <class T>
struct Shape {
  bool pairs;     // of real numbers, in a transform of half the length
  int64_t inner;  // the length of the transform
  View<T> in, out;

  explicit Shape(const FftJob<T>& job) {
    pairs = job.kind != FftKind::complex && job.n % 2 == 0;
    inner = pairs ? job.n / 2 : job.n;
    const int64_t half = job.n / 2 + 1;
    in = {job.n, job.in_step, 1};
    out = {job.n, job.out_step, 1};
    const auto real = [&](View<T>& v) {
      v = pairs ? View<T>{inner, 2 * v.step, v.step} : View<T>{job.n, v.step, -1};
    };
    if (job.kind == FftKind::from_real) {
      real(in);
      out.n = half;
    } else if (job.kind == FftKind::to_real) {
      in.n = half;
      real(out);
    }
  }
};

template <class T>
void one_line(const FftJob<T>& job, const Shape<T>& shape, const FftPlan<T>& plan, const T* roots,
              const T* in, T* out) {
  const bool backward = !job.forward;
  const Room<T> room(2 * shape.inner);
  T* const z = room.data();
  if (job.kind == FftKind::to_real && shape.pairs) {
    split_pairs(z, in, shape.in.step, shape.inner, roots);
  } else if (shape.in.dense() && shape.in.n == shape.inner) {
    if (job.kind == FftKind::complex && shape.out.dense())
      return fft_one(plan, in, out, backward, job.scale);
    std::memcpy(z, in, static_cast<size_t>(2 * shape.inner) * sizeof(T));
  } else {
    gather(z, in, shape.in.n, shape.in.step, shape.in.imaginary);
    if (job.kind == FftKind::to_real) {
      z[1] = 0;
      for (int64_t k = 1; 2 * k < job.n; ++k) {
        z[2 * (job.n - k)] = z[2 * k];
        z[2 * (job.n - k) + 1] = -z[2 * k + 1];
      }
    }
  }
  const bool joins = job.kind == FftKind::from_real && shape.pairs;
  fft_one(plan, z, z, backward, joins ? T(1) : job.scale);
  if (joins)
    join_pairs(out, shape.out.step, z, shape.inner, roots, job.scale);
  else
    scatter(out, z, shape.out.n, shape.out.step, shape.out.imaginary);
}

}  // namespace

template <class T>
void fft_one(const FftPlan<T>& plan, const T* in, T* out, bool swapped, T scale) {
  if (plan.columns) return by_rows_and_columns(plan, in, out, swapped, scale);
  const FftLoops<T>& loops = fft_loops<T>();
  if (plan.inner && plan.inner->columns) {
    const int64_t n = plan.n, m = plan.inner->n;
    const Room<T> room(2 * m);
    T* const x = room.data();
    multiply(x, in, plan.chirp.data(), n, swapped, false);
    std::fill(x + 2 * n, x + 2 * m, T(0));
    fft_one(*plan.inner, x, x, false, T(1));
    multiply(x, x, plan.response.data(), m, false, false);
    fft_one(*plan.inner, x, x, true, T(1));
    multiply(x, x, plan.chirp.data(), n, false, swapped);
    for (int64_t j = 0; j < 2 * n; ++j) out[j] = x[j] * scale;
    return;
  }
  const Buffers<T> buffers(plan.room());
  T* rows[1] = {const_cast<T*>(in)};
  T* x = buffers.first();
  loops.load(x, {rows, 1, 2, 1, false, swapped}, plan.n);
  x = in_lanes(plan, x, buffers);
  rows[0] = out;
  loops.store({rows, 1, 2, 1, false, swapped}, x, plan.n, scale);
}

template <class T>
void fft_lines(const FftJob<T>& job) {
  const Shape<T> shape(job);
  const FftLoops<T>& loops = fft_loops<T>();
  const auto plan = fft_plan<T>(shape.inner);
  std::shared_ptr<const FftPairs<T>> pairs;
  if (shape.pairs) pairs = fft_pairs<T>(job.n);
  const T* const roots = pairs ? pairs->roots.data() : nullptr;
  const int64_t lanes = loops.lanes, count = static_cast<int64_t>(job.in_places.size());
  const int64_t room = std::max({plan->room(), shape.in.n, shape.out.n});
  const bool splits = plan->columns || (plan->inner && plan->inner->columns);
  const bool far = room * 2 * lanes * static_cast<int64_t>(sizeof(T)) > kNear;
  if (splits && (far || 2 * count <= lanes)) {
    const auto line = [&](int64_t i) {
      one_line(job, shape, *plan, roots, job.in + job.in_places[static_cast<size_t>(i)],
               job.out + job.out_places[static_cast<size_t>(i)]);
    };
    if (count == 1) return line(0);  // whose own parts are split over the pool
    return parallel_for(count, std::max<int64_t>(1, 2048 / room), [&](int64_t first, int64_t end) {
      for (int64_t i = first; i < end; ++i) line(i);
    });
  }
  const bool backward = !job.forward;
  const int64_t blocks = (count + lanes - 1) / lanes;
  parallel_for(
      blocks, std::max<int64_t>(1, 4096 / (room * lanes)), [&](int64_t first, int64_t end) {
        const Buffers<T> buffers(room);
        for (int64_t i = first; i < end; ++i) {
          const int64_t at = i * lanes, used = std::min(lanes, count - at);
          T* rows[kMostLanes];
          // Lines that begin side by side are columns.
          const auto side_by_side = [&](const std::vector<int64_t>& places, const View<T>& view) {
            if (view.imaginary != 1 || view.dense()) return false;
            for (int64_t l = 1; l < used; ++l)
              if (places[static_cast<size_t>(at + l)] != places[static_cast<size_t>(at)] + 2 * l)
                return false;
            return true;
          };
          const auto lines = [&](T* base, const std::vector<int64_t>& places, const View<T>& view,
                                 bool swapped) {
            for (int64_t l = 0; l < used; ++l) rows[l] = base + places[static_cast<size_t>(at + l)];
            return FftLines<T>{rows,           static_cast<int>(used),     view.step,
                               view.imaginary, side_by_side(places, view), swapped};
          };
          T* x = buffers.first();
          const bool splits_pairs = job.kind == FftKind::to_real && shape.pairs;
          loops.load(
              x, lines(const_cast<T*>(job.in), job.in_places, shape.in, backward && !splits_pairs),
              shape.in.n);
          if (splits_pairs) {
            T* const y = buffers.other(x);
            loops.split_pairs(y, x, shape.inner, roots);
            x = y;
          } else if (job.kind == FftKind::to_real) {
            loops.mirror(x, job.n);
          }
          x = in_lanes(*plan, x, buffers);
          if (job.kind == FftKind::from_real && shape.pairs) {
            T* const y = buffers.other(x);
            loops.join_pairs(y, x, shape.inner, roots);
            x = y;
          }
          loops.store(lines(job.out, job.out_places, shape.out, backward), x, shape.out.n,
                      job.scale);
        }
      });
}

template void fft_one<float>(const FftPlan<float>&, const float*, float*, bool, float);
template void fft_one<double>(const FftPlan<double>&, const double*, double*, bool, double);
template void fft_lines<float>(const FftJob<float>&);
template void fft_lines<double>(const FftJob<double>&);

}  // namespace flambeau::inline v1::cpu
