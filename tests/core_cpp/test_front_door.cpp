// What the public headers promise, through nothing but them.
#include <flambeau/flambeau.h>

#include <thread>
#include <type_traits>

#include "check.h"

using namespace flambeau;

namespace {

double value(const Tensor& t) { return t.item().to_double(); }

Tensor variable(double v) {
  const Tensor t = ops::full(Dims{}, v, DType::float64);
  t.set_requires_grad(true);
  return t;
}

}  // namespace

TEST(operators_are_the_ops) {
  const Tensor a = ops::full(Dims{2}, 6.0), b = ops::full(Dims{2}, 3.0);
  const Tensor c = -(a + b * 2 - a / b) / 2;
  CHECK(value(ops::sum(c)) == -10 && c.dtype() == DType::float32);
  a += b;
  a -= 1;
  a *= b;
  a /= 2;
  CHECK(value(ops::sum(a)) == 24);
}

TEST(a_seed_gives_the_same_numbers_on_any_thread) {
  manual_seed(7);
  const Tensor first = ops::randn(Dims{100});
  manual_seed(7);
  Tensor second;
  std::thread([&] { second = ops::randn(Dims{100}); }).join();
  CHECK(ops::equal(first, second));
  CHECK(!ops::equal(first, ops::randn(Dims{100})));
}

TEST(gradients_of_inputs_leave_leaves_alone) {
  const Tensor x = variable(3), y = variable(5);
  const Tensor z = x * x * y;
  const Tensor outputs[] = {z}, inputs[] = {y, x};
  const TensorVec gradients = grad(outputs, inputs);
  CHECK(value(gradients[0]) == 9 && value(gradients[1]) == 30);
  CHECK(!x.grad().defined() && !y.grad().defined());
  CHECK(check::throws<Error>([&] { grad(outputs, inputs); }, "second time"));
}

TEST(gradients_of_gradients) {
  const Tensor x = variable(2);
  Tensor y = x * x * x;
  const Tensor inputs[] = {x};
  for (const double expected : {12., 12., 6.}) {
    const Tensor outputs[] = {y};
    y = grad(outputs, inputs, {}, {.create_graph = true})[0];
    CHECK(value(y) == expected);
  }
}

TEST(gradients_of_outputs_may_be_given) {
  const Tensor x = ops::ones(Dims{3});
  x.set_requires_grad(true);
  const Tensor outputs[] = {x * 2.0}, inputs[] = {x};
  const Tensor wrong[] = {ops::ones(Dims{2})}, right[] = {ops::full(Dims{3}, 5.0)};
  CHECK(check::throws<Error>([&] { grad(outputs, inputs); }, "scalar outputs"));
  CHECK(check::throws<Error>([&] { grad(outputs, inputs, wrong); }, "Mismatch in shape"));
  CHECK(value(ops::sum(grad(outputs, inputs, right)[0])) == 30);
}

TEST(unused_inputs_are_an_error_unless_allowed) {
  const Tensor x = variable(1), other = variable(1), constant = ops::ones(Dims{});
  const Tensor outputs[] = {x * x}, unused[] = {x, other}, no_leaf[] = {constant};
  const auto of_unused = [&](bool allow) {
    return grad(outputs, unused, {}, {.retain_graph = true, .allow_unused = allow});
  };
  CHECK(check::throws<Error>([&] { of_unused(false); }, "at index 1"));
  CHECK(!of_unused(true)[1].defined());
  CHECK(check::throws<Error>([&] { grad(outputs, no_leaf); }, "does not require grad"));
}

TEST(no_grad_ends_with_its_scope) {
  const Tensor x = variable(2);
  {
    const NoGrad off;
    CHECK(!(x * x).requires_grad());
    x += 1.0;
  }
  CHECK((x * x).requires_grad() && value(x) == 3);
}

TEST(errors_are_of_pythons_kinds) {
  const Tensor a = ops::zeros(Dims{2, 3});
  CHECK(check::throws<Error>([&] { ops::mm(a, a); }, "mm"));
  CHECK(check::throws<IndexError>([&] { ops::sum(a, Dims{5}); }, "sum"));
  CHECK(check::throws<std::runtime_error>([&] { ops::zeros(Dims{int64_t{1} << 50}); }, "bytes"));
}
