// Backward passes without Python: threads that share graphs, leaves and views; long chains; errors.
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "check.h"
#include "core/autograd/node.h"
#include "flambeau/ops.h"

using namespace flambeau;

namespace {

constexpr int kThreads = 8;

template <class Body>
void on_threads(const Body& body) {
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back([&body, i] { body(i); });
  for (std::thread& thread : threads) thread.join();
}

Tensor filled(IntSpan sizes, double value) {
  const Tensor t = empty(sizes, {});
  ops::fill_(t, Scalar(value));
  return t;
}

Tensor leaf(IntSpan sizes, double value = 1) {
  const Tensor t = filled(sizes, value);
  t.set_requires_grad(true);
  return t;
}

float first(const Tensor& t) { return *t.data<float>(); }

}  // namespace

TEST(gradients_of_a_product) {
  const Tensor a = leaf(Dims{4, 4}, 2), b = leaf(Dims{4, 4}, 3);
  ops::sum(ops::mul(a, b)).backward();
  CHECK(first(a.grad()) == 3 && first(b.grad()) == 2);
  ops::sum(ops::mul(a, b)).backward();
  CHECK(first(a.grad()) == 6);
}

TEST(threads_accumulate_through_one_graph) {
  const Tensor a = leaf(Dims{8});
  const Tensor shared = ops::mul(a, filled(Dims{8}, 2));
  on_threads([&](int) {
    for (int i = 0; i < 50; ++i) ops::sum(ops::mul(shared, shared)).backward({}, true);
  });
  CHECK(first(a.grad()) == 8 * 50 * kThreads);
}

TEST(one_of_several_threads_frees_a_graph) {
  const Tensor a = leaf(Dims{8});
  std::atomic<int> done{0}, refused{0};
  for (int round = 0; round < 20; ++round) {
    const Tensor loss = ops::sum(ops::mul(a, a));
    on_threads([&](int) {
      try {
        loss.backward();
        ++done;
      } catch (const Error& error) {
        CHECK(std::string(error.what()).starts_with("Trying to backward through the graph"));
        ++refused;
      }
    });
  }
  CHECK(done >= 20 && done + refused == 20 * kThreads);
}

TEST(threads_record_on_shared_leaves_and_drop_their_graphs) {
  const Tensor a = leaf(Dims{8}), b = leaf(Dims{8});
  on_threads([&](int) {
    for (int i = 0; i < 100; ++i) {
      const Tensor loss = ops::sum(ops::mul(a, b));
      if (i % 2) loss.backward();
    }
  });
  CHECK(first(a.grad()) == 50 * kThreads);
}

TEST(a_graph_is_freed_by_another_thread_than_its_own) {
  const Tensor a = leaf(Dims{1});
  for (int round = 0; round < 10; ++round) {
    Tensor y = a;
    for (int i = 0; i < 2000; ++i) y = ops::neg(y);
    std::thread([dropped = std::move(y)]() mutable { dropped = Tensor(); }).join();
  }
  CHECK(a.is_leaf());
}

TEST(threads_look_at_stale_views) {
  const Tensor a = leaf(Dims{4});
  for (int round = 0; round < 20; ++round) {
    const Tensor base = ops::mul(a, a);
    const Tensor view = ops::as_strided(base, Dims{2}, Dims{1}, 0);
    ops::neg_(base);
    on_threads([&](int) { ops::sum(view).backward({}, true); });
  }
  CHECK(first(a.grad()) == -2 * 20 * kThreads);
}

TEST(writes_to_views_change_the_base) {
  const Tensor a = leaf(Dims{4});
  const Tensor base = ops::mul(a, filled(Dims{4}, 1));
  const Tensor view = ops::as_strided(base, Dims{2}, Dims{1}, 2);
  ops::mul_(view, filled(Dims{2}, 5));
  CHECK(std::string(grad_fn(base)->name()) == "CopySlices");
  ops::sum(base).backward();
  const float* g = a.grad().data<float>();
  CHECK(g[0] == 1 && g[1] == 1 && g[2] == 5 && g[3] == 5);
}

TEST(a_chain_of_a_million_nodes) {
  const Tensor a = leaf(Dims{1});
  Tensor y = a;
  for (int i = 0; i < 1'000'000; ++i) y = ops::neg(y);
  y.backward();
  CHECK(first(a.grad()) == 1);
  y = Tensor();
}

TEST(what_was_saved_may_not_change) {
  const Tensor a = leaf(Dims{2, 3});
  const Tensor h = ops::neg(a);
  const Tensor loss = ops::sum(ops::mul(h, h));
  ops::add_(h, filled(Dims{2, 3}, 1));
  CHECK(check::throws<Error>([&] { loss.backward(); },
                             "[torch.FloatTensor [2, 3]], which is output 0 of Add, is at version "
                             "1; expected version 0 instead"));
  CHECK(check::throws<Error>([&] { ops::add_(a, h); }, "a leaf Variable that requires grad"));
}

TEST(higher_derivatives) {
  const Tensor x = leaf(Dims{1}, 3);
  const Edge input = gradient_edge(x);
  BackwardOptions options;
  options.accumulate = false;
  options.retain_graph = options.create_graph = true;
  Tensor y = ops::mul(ops::mul(x, x), x);
  for (const float expected : {27.f, 18.f, 6.f}) {
    const Edge root = gradient_edge(y);
    const Tensor one = filled(Dims{1}, 1);
    y = run_backward({&root, 1}, {&one, 1}, {&input, 1}, options)[0];
    CHECK(first(y) == expected);
  }
}
