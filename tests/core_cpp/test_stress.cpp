// Eight threads that use the whole library at once: made for ThreadSanitizer.
#include <flambeau/flambeau.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "check.h"

using namespace flambeau;

namespace {

constexpr int kThreads = 8;

template <class Body>
void on_threads(const Body& body) {
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&body, i] {
      try {
        body(i);
      } catch (const std::exception& error) {
        std::fprintf(stderr, "thread %d: %s\n", i, error.what());
        CHECK(!"an exception");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// Where threads leave tensors for each other, so that most are freed by another than made them.
class Exchange {
 public:
  Tensor swap(Tensor given) {
    const std::lock_guard lock(mutex_);
    Tensor& place = places_[next_++ % kPlaces];
    std::swap(place, given);
    return given;
  }

 private:
  static constexpr size_t kPlaces = 3 * kThreads;
  std::mutex mutex_;
  Tensor places_[kPlaces];
  size_t next_ = 0;
};

double total(const Tensor& t) { return ops::sum(t, DType::float64).item().to_double(); }

struct Threads {
  explicit Threads(int n) : before(num_threads()) { set_num_threads(n); }
  ~Threads() { set_num_threads(before); }
  const int before;
};

// Large enough that kernels split the work and memory comes from the shared cache.
constexpr int64_t kLarge = 100'000;

}  // namespace

TEST(tensors_wander_between_threads) {
  const Threads scope(4);
  Exchange exchange;
  on_threads([&](int thread) {
    for (int i = 0; i < 60; ++i) {
      const int64_t n = i % 10 == 0 ? kLarge : 1 + (i * 37 + thread) % 500;
      const Tensor made = ops::full(Dims{n}, 0.5);
      const Tensor view = ops::slice(made, 0, 0, (n + 1) / 2);
      Tensor other = exchange.swap(i % 2 ? view : made);
      if (!other.defined()) continue;
      CHECK(total(other + 1.0) == 1.5 * static_cast<double>(other.numel()));
      other = exchange.swap(std::move(other));
    }
  });
}

TEST(backward_passes_share_leaves_and_cross_threads) {
  const Threads scope(2);
  constexpr int kRounds = 30;
  const Tensor weight = ops::ones(Dims{16, 16}), bias = ops::zeros(Dims{16});
  weight.set_requires_grad(true);
  bias.set_requires_grad(true);
  Exchange losses;
  std::atomic<int> passes = 0;
  const auto pass = [&](const Tensor& loss) {
    loss.backward();
    ++passes;
  };
  on_threads([&](int) {
    for (int i = 0; i < kRounds; ++i) {
      const Tensor x = ops::ones(Dims{4, 16});
      const Tensor hidden = ops::relu(ops::linear(x, weight, bias));
      // Another thread runs the backward of this graph, and frees it.
      const Tensor loss = losses.swap(ops::sum(ops::linear(hidden, weight, bias)));
      if (loss.defined()) pass(loss);
    }
  });
  for (int i = 0; i < 3 * kThreads; ++i) {
    if (const Tensor loss = losses.swap({}); loss.defined()) pass(loss);
  }
  CHECK(passes == kThreads * kRounds);
  // For each pass: 4 rows; d loss / d bias = 1 + 16 (through the second layer) per unit and row.
  CHECK(total(bias.grad()) == 4.0 * 16 * 17 * passes);
}

TEST(one_graph_serves_all_threads) {
  const Tensor leaf = ops::ones(Dims{kLarge});
  leaf.set_requires_grad(true);
  const Tensor shared = ops::exp(leaf * 0.0);
  const Tensor inputs[] = {leaf}, outputs[] = {ops::sum(shared * shared)};
  on_threads([&](int) {
    for (int i = 0; i < 5; ++i) {
      const TensorVec gradients = grad(outputs, inputs, {}, {.retain_graph = true});
      CHECK(total(gradients[0]) == 0);
    }
  });
}

TEST(all_take_the_first_views_of_one_base) {
  const Tensor base = ops::zeros(Dims{kThreads, 64});
  on_threads([&](int thread) {
    const NoGrad off;
    const Tensor mine = ops::select(base, 0, int64_t{thread});
    for (int i = 0; i < 100; ++i) mine += 1.0;
  });
  CHECK(total(base) == 100.0 * 64 * kThreads);
  CHECK(base.impl()->version() == 100 * kThreads);
}

TEST(memory_moves_while_others_compute) {
  const Threads scope(2);
  set_warning_handler([](const std::string&) {});  // of outputs that are resized
  const Tensor shared = ops::ones(Dims{kLarge}), view = ops::slice(shared, 0, 0, kLarge / 2);
  const Tensor out = ops::empty(Dims{0});
  std::atomic<int> left = kThreads / 2, sums = 0;
  const auto compute = [&] {
    while (left > 0) {
      const Computing here;
      try {
        const Tensor sum = ops::sum(shared + 1.0);
        CHECK(sum.dim() == 0);
        ops::mul(view, 2.0);
        ++sums;
      } catch (const NoMemory&) {  // it was away
      }
    }
  };
  const auto change = [&](int thread) {
    for (int i = 0; i < 40; ++i) {
      Ref<Storage> storage;
      {
        const Computing here;
        storage = shared.impl()->storage();
      }
      switch ((thread + i) % 4) {
        case 0:
          storage->resize(0);
          break;
        case 1:
          storage->resize(kLarge * sizeof(float));
          break;
        case 2:
          resize(shared, Dims{2, (i + 1) * 1000, 1, 1, 1, 1});
          break;
        default:
          set_data(shared, ops::ones(Dims{kLarge + i}));
      }
      const Computing here;
      try {
        ops::add_out(ops::ones(Dims{100 + i}), ops::ones(Dims{1}), 1, out);
      } catch (const Error& error) {
        CHECK(std::string(error.what()).find("while both compute") != std::string::npos);
      }
    }
    --left;
  };
  on_threads([&](int thread) { thread % 2 ? compute() : change(thread); });
  set_data(shared, ops::ones(Dims{kLarge}));
  CHECK(total(shared) == kLarge && sums > 0);
  set_warning_handler(nullptr);
}

TEST(random_numbers_are_drawn_by_all) {
  manual_seed(0);
  on_threads([&](int thread) {
    Generator own(static_cast<uint64_t>(thread));
    for (int i = 0; i < 20; ++i) {
      const Tensor shared = ops::rand(Dims{1000});
      CHECK(total(shared) > 300 && total(shared) < 700);
      CHECK(ops::randperm(50, &own).numel() == 50);
      if (thread == 0) manual_seed(1);
    }
  });
}
