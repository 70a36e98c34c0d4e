// Trains a small network to tell two interleaved spirals apart; no Python is involved. Exits with 1
// when less than 99% of the points it has not seen are told right.
#include <flambeau/flambeau.h>

#include <cmath>
#include <cstdio>
#include <numbers>

using namespace flambeau;

namespace {

struct Linear {
  Tensor weight, bias;

  Linear(int64_t in, int64_t out) {
    const double bound = 1 / std::sqrt(static_cast<double>(in));
    weight = ops::uniform_(ops::empty(Dims{out, in}), -bound, bound);
    bias = ops::uniform_(ops::empty(Dims{out}), -bound, bound);
    weight.set_requires_grad(true);
    bias.set_requires_grad(true);
  }
  Tensor operator()(const Tensor& x) const { return ops::linear(x, weight, bias); }
};

struct Network {
  Linear first{2, 64}, second{64, 64}, last{64, 2};

  Tensor operator()(const Tensor& x) const { return last(ops::relu(second(ops::relu(first(x))))); }
  TensorVec parameters() const {
    return {first.weight, first.bias, second.weight, second.bias, last.weight, last.bias};
  }
};

class Adam {
 public:
  Adam(TensorVec parameters, double rate) : parameters_(std::move(parameters)), rate_(rate) {
    for (const Tensor& p : parameters_) {
      means_.push_back(ops::zeros(p.sizes()));
      squares_.push_back(ops::zeros(p.sizes()));
    }
  }
  void step() {
    const NoGrad off;
    ++steps_;
    const double mean_scale = 1 - std::pow(kMeanDecay, steps_);
    const double square_scale = 1 - std::pow(kSquareDecay, steps_);
    for (size_t i = 0; i < parameters_.size(); ++i) {
      const Tensor grad = parameters_[i].grad();
      ops::lerp_(means_[i], grad, 1 - kMeanDecay);
      ops::addcmul_(ops::mul_(squares_[i], kSquareDecay), grad, grad, 1 - kSquareDecay);
      const Tensor scale = ops::sqrt(squares_[i] / square_scale) + 1e-8;
      ops::addcdiv_(parameters_[i], means_[i], scale, -rate_ / mean_scale);
      parameters_[i].set_grad({});
    }
  }

 private:
  static constexpr double kMeanDecay = 0.9, kSquareDecay = 0.999;
  TensorVec parameters_, means_, squares_;
  double rate_;
  int steps_ = 0;
};

struct Points {
  Tensor x, label;
};

// Points of two arms that wind one and a half times around the origin, half a turn apart.
Points spirals(int64_t n) {
  const Tensor label = ops::randint(2, Dims{n});
  const Tensor radius = ops::sqrt(ops::rand(Dims{n}));
  const Tensor angle = radius * (3 * std::numbers::pi) + label * std::numbers::pi;
  const Tensor arms[] = {radius * ops::sin(angle), radius * ops::cos(angle)};
  return {ops::stack(arms, 1) + ops::randn(Dims{n, 2}) * 0.01, label};
}

double accuracy(const Network& network, const Points& points) {
  const NoGrad off;
  const Tensor right = ops::eq(ops::argmax(network(points.x), 1), points.label);
  return ops::mean(ops::to(right, DType::float64)).item().to_double();
}

}  // namespace

int main() {
  manual_seed(0);
  const Points train = spirals(2000), unseen = spirals(1000);
  const Network network;
  Adam optimizer(network.parameters(), 1e-2);
  for (int step = 1; step <= 300; ++step) {
    const Tensor loss = ops::cross_entropy_loss(network(train.x), train.label);
    loss.backward();
    optimizer.step();
    if (step % 50 == 0) std::printf("step %3d  loss %.4f\n", step, loss.item().to_double());
  }
  const double right = accuracy(network, unseen);
  std::printf("accuracy on unseen points %.3f\n", right);
  return right < 0.99;
}
