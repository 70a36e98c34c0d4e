#include "kernels/cpu/fft/plan.h"

#include <algorithm>
#include <cmath>
#include <list>
#include <mutex>
#include <numbers>

#include "core/parallel/isa.h"
#include "kernels/cpu/fft/lines.h"

namespace flambeau::inline v1::cpu {
namespace baseline {
extern const FftKernels fft_kernels;
}  // namespace baseline
namespace avx2 {
extern const FftKernels fft_kernels;
}  // namespace avx2
namespace avx512 {
extern const FftKernels fft_kernels;
}  // namespace avx512

const FftKernels& fft_kernels() {
  static const FftKernels& chosen =
      of_isa(baseline::fft_kernels, avx2::fft_kernels, avx512::fft_kernels);
  return chosen;
}
template <>
const FftLoops<float>& fft_loops<float>() {
  return fft_kernels().f32;
}
template <>
const FftLoops<double>& fft_loops<double>() {
  return fft_kernels().f64;
}

Root root_of_unity(int64_t k, int64_t n) {
  // The angle as a part of an eighth of the circle, in which sine and cosine are exact enough.
  const auto turned = static_cast<__int128>(k % n + (k % n < 0 ? n : 0)) * 8;
  const auto octant = static_cast<int>(turned / n);
  int64_t rest = static_cast<int64_t>(turned - static_cast<__int128>(octant) * n);
  const bool flipped = octant % 2;
  if (flipped) rest = n - rest;
  const double angle = std::numbers::pi / 4 * (static_cast<double>(rest) / static_cast<double>(n));
  double c = std::cos(angle), s = std::sin(angle);
  if (flipped) std::swap(c, s);
  // (c, s) in the quadrant octant / 2.
  switch (octant / 2) {
    case 0:
      return {c, -s};
    case 1:
      return {-s, -c};
    case 2:
      return {-c, s};
    default:
      return {s, c};
  }
}

namespace {

constexpr int64_t kMostRadix = 31;
constexpr size_t kKept = 32;  // plans of a kind

std::vector<int> radices_of(int64_t n) {
  std::vector<int> found;
  for (const int r : {8, 4, 2, 3, 5})
    while (n % r == 0 && !(r == 8 && n == 16)) {  // 16 is 4 x 4
      found.push_back(r);
      n /= r;
    }
  for (int r = 7; r <= kMostRadix; r += 2)
    for (; n % r == 0; n /= r) found.push_back(r);
  if (n != 1) found.clear();
  return found;
}

template <class T>
void add(std::vector<T>& table, Root w) {
  table.push_back(static_cast<T>(w.re));
  table.push_back(static_cast<T>(w.im));
}

template <class T>
void make_stages(FftPlan<T>& plan, const std::vector<int>& radices) {
  int64_t left = plan.n, s = 1;
  for (const int r : radices) {
    const int64_t m = left / r;
    std::vector<T> twiddles, roots;
    for (int64_t p = 0; p < m; ++p)
      for (int64_t i = 1; i < r; ++i) add(twiddles, root_of_unity(p * i, left));
    if (r > 5 && r != 8)
      for (int64_t i = 0; i < r; ++i) add(roots, root_of_unity(i, r));
    plan.tables.push_back(std::move(twiddles));
    plan.tables.push_back(std::move(roots));
    const size_t last = plan.tables.size();
    plan.stages.push_back({r, m, s, plan.tables[last - 2].data(), plan.tables[last - 1].data()});
    left = m;
    s *= r;
  }
}

// The divisors of n nearest to each other, n1 <= n2; n1 is 1 where there are no others.
int64_t nearest_divisor(int64_t n) {
  auto d = static_cast<int64_t>(std::sqrt(static_cast<double>(n)));
  while (d > 1 && n % d != 0) --d;
  return std::max<int64_t>(d, 1);
}

template <class T>
void make_split(FftPlan<T>& plan) {
  const int64_t n1 = nearest_divisor(plan.n), n2 = plan.n / n1;
  if (plan.n < 128 || n1 < 8) return;
  const int64_t lanes = fft_loops<T>().lanes;
  plan.columns = fft_plan<T>(n1);
  plan.rows = fft_plan<T>(n2);
  plan.width = (n2 + lanes - 1) / lanes * lanes;
  const auto vectors = [&](std::vector<T>& table, int64_t rows, int64_t step) {
    table.resize(static_cast<size_t>(2 * plan.width * rows), T(0));
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t j = 0; j < n2; ++j) {
        const Root w = root_of_unity(
            static_cast<int64_t>(static_cast<__int128>(r) * step * j % plan.n), plan.n);
        T* const at = table.data() + r * 2 * plan.width + j;
        at[0] = static_cast<T>(w.re);
        at[plan.width] = static_cast<T>(w.im);
      }
  };
  vectors(plan.outer, (n1 + 15) / 16, 16);
  vectors(plan.inside, std::min<int64_t>(16, n1), 1);
}

template <class T>
void make_chirp(FftPlan<T>& plan) {
  const int64_t n = plan.n;
  int64_t m = 1;
  while (m < 2 * n - 1) m *= 2;
  plan.inner = fft_plan<T>(m);
  std::vector<double> response(static_cast<size_t>(2 * m), 0.0);
  for (int64_t j = 0; j < n; ++j) {
    const Root c =
        root_of_unity(static_cast<int64_t>(static_cast<__int128>(j) * j % (2 * n)), 2 * n);
    add(plan.chirp, c);
    for (const int64_t at : {j, (m - j) % m}) {
      response[static_cast<size_t>(2 * at)] = c.re;
      response[static_cast<size_t>(2 * at + 1)] = -c.im;
    }
  }
  const auto wide = fft_plan<double>(m);
  fft_one<double>(*wide, response.data(), response.data(), false, 1.0 / static_cast<double>(m));
  plan.response.assign(response.begin(), response.end());
}

template <class T>
std::shared_ptr<const FftPlan<T>> made(int64_t n) {
  auto plan = std::make_shared<FftPlan<T>>();
  plan->n = n;
  const std::vector<int> radices = radices_of(n);
  if (radices.empty() && n > 1) {
    make_chirp(*plan);
  } else {
    plan->tables.reserve(2 * radices.size());
    make_stages(*plan, radices);
    make_split(*plan);
  }
  return plan;
}

// The last lengths that were asked for. What is made is made without the lock: making one may ask
// for others.
template <class Made, class Make>
std::shared_ptr<const Made> kept(int64_t n, Make&& make) {
  struct Kept {
    int64_t n;
    std::shared_ptr<const Made> plan;
  };
  static std::mutex guard;
  static std::list<Kept>& plans = *new std::list<Kept>;
  {
    const std::lock_guard lock(guard);
    for (auto at = plans.begin(); at != plans.end(); ++at)
      if (at->n == n) {
        plans.splice(plans.begin(), plans, at);
        return at->plan;
      }
  }
  std::shared_ptr<const Made> plan = make(n);
  const std::lock_guard lock(guard);
  plans.push_front({n, plan});
  if (plans.size() > kKept) plans.pop_back();
  return plan;
}

}  // namespace

template <class T>
std::shared_ptr<const FftPlan<T>> fft_plan(int64_t n) {
  return kept<FftPlan<T>>(n, made<T>);
}

template <class T>
std::shared_ptr<const FftPairs<T>> fft_pairs(int64_t n) {
  return kept<FftPairs<T>>(n, [](int64_t length) {
    auto pairs = std::make_shared<FftPairs<T>>();
    for (int64_t k = 0; 4 * k <= length; ++k) add(pairs->roots, root_of_unity(k, length));
    return std::shared_ptr<const FftPairs<T>>(pairs);
  });
}

template std::shared_ptr<const FftPlan<float>> fft_plan<float>(int64_t);
template std::shared_ptr<const FftPlan<double>> fft_plan<double>(int64_t);
template std::shared_ptr<const FftPairs<float>> fft_pairs<float>(int64_t);
template std::shared_ptr<const FftPairs<double>> fft_pairs<double>(int64_t);

}  // namespace flambeau::inline v1::cpu
