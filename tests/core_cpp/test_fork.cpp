// Forks while other threads hold the locks of the allocator, the pool and the generators.
#include <flambeau/flambeau.h>

#include <atomic>
#include <thread>

#include "check.h"

using namespace flambeau;

namespace {

// Large enough that kernels split the work and memory comes from the shared cache.
constexpr int64_t kLarge = 100'000;

double total(const Tensor& t) { return ops::sum(t, DType::float64).item().to_double(); }

}  // namespace

TEST(a_child_computes_whatever_the_others_held) {
  set_num_threads(3);
  std::atomic<bool> stop = false;
  std::vector<std::thread> busy;
  const auto loop = [&](auto body) {
    busy.emplace_back([&stop, body] {
      while (!stop) body();
    });
  };
  loop([] { ops::empty(Dims{kLarge}); });
  loop([] { ops::full(Dims{4 * kLarge}, 1.0) + 1.0; });
  loop([] { ops::rand(Dims{1000}); });
  loop([] {
    for (uint64_t i = 0; i < 100; ++i) Generator made(i);
  });
  for (int i = 0; i < 40; ++i) {
    CHECK(check::passes_in_child([] {
      const Tensor drawn = ops::rand(Dims{kLarge});
      CHECK(total(drawn) > 0.49 * kLarge && total(drawn) < 0.51 * kLarge);
      const Tensor leaf = ops::ones(Dims{kLarge});
      leaf.set_requires_grad(true);
      ops::sum(leaf * leaf).backward();
      CHECK(total(leaf.grad()) == 2 * kLarge);
      CHECK(ops::randperm(100).numel() == 100);
    }));
  }
  stop = true;
  for (std::thread& thread : busy) thread.join();
}
