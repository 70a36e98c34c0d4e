#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <mutex>
#include <numbers>
#include <numeric>
#include <random>
#include <stdexcept>
#include <thread>
#include <vector>

#include "check.h"
#include "core/parallel/parallel.h"
#include "kernels/cpu/random/random.h"
#include "kernels/math/half.h"

using namespace flambeau;

namespace {

template <class T, class Fill>
std::vector<T> numbers(Generator& generator, int64_t n, const Fill& fill) {
  std::vector<T> values(static_cast<size_t>(n));
  fill(generator, values.data(), n);
  return values;
}

std::vector<float> normal(Generator& generator, int64_t n, double mean = 0, double std = 1) {
  return numbers<float>(generator, n, [&](Generator& g, float* dst, int64_t count) {
    fill_normal(g, DType::float32, dst, count, mean, std);
  });
}

std::vector<uint8_t> state(const Generator& generator) {
  std::vector<uint8_t> bytes(Generator::kStateBytes);
  generator.get_state(bytes.data());
  return bytes;
}

struct Moments {
  double mean, variance;
};
template <class T>
Moments moments(const std::vector<T>& values) {
  const auto n = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double squares = 0;
  for (T value : values) squares += (static_cast<double>(value) - mean) * (value - mean);
  return {mean, squares / n};
}

bool near(double a, double b, double tolerance) { return std::abs(a - b) <= tolerance; }

}  // namespace

TEST(the_twister_is_the_standard_one) {
  for (uint32_t seed : {0u, 1u, 5489u, 4294967295u}) {
    std::mt19937 standard(seed);
    Mt19937 ours(seed);
    std::vector<uint32_t> words(5000);
    for (int64_t count : {0, 1, 2, 623, 624, 625, 5000}) {
      for (int i = 0; i < 3; ++i) CHECK(ours() == standard());
      ours.fill(words.data(), count);
      CHECK(std::all_of(words.begin(), words.begin() + count,
                        [&](uint32_t word) { return word == standard(); }));
      ours.skip(count);
      standard.discard(static_cast<unsigned long long>(count));
    }
  }
}

// What PyTorch 2.13 gives after torch.manual_seed(0).
TEST(the_first_numbers_are_those_of_pytorch) {
  using Floats = std::vector<float>;
  using Doubles = std::vector<double>;
  using Integers = std::vector<int64_t>;
  Generator generator;
  auto draw = [&]<class T>(std::vector<T> expected, auto&& fill) {
    generator.manual_seed(0);
    CHECK(numbers<T>(generator, static_cast<int64_t>(expected.size()), fill) == expected);
  };
  auto last_two_normal = [&]<class T>(DType dtype, T) {
    generator.manual_seed(0);
    std::vector<T> values(20);
    fill_normal(generator, dtype, values.data(), 20, 0, 1);
    return std::vector<T>(values.end() - 2, values.end());
  };
  draw(Floats{0x1.fc2abp-2f, 0x1.89545ep-1f, 0x1.6a675p-4f},
       [](auto& g, float* dst, int64_t n) { fill_uniform(g, DType::float32, dst, n, 0, 1); });
  draw(Doubles{0x1.f0aac97c4aa2fp-1, 0x1.6a675d821ccc0p-1, 0x1.d6687b744a5f6p-2},
       [](auto& g, double* dst, int64_t n) { fill_uniform(g, DType::float64, dst, n, 0, 1); });
  draw(Floats{0x1.8a7eb8p+0f, -0x1.2c78a0p-2f, -0x1.16e292p+1f},
       [](auto& g, float* dst, int64_t n) { fill_normal(g, DType::float32, dst, n, 0, 1); });
  CHECK(last_two_normal(DType::float32, 0.0f) == Floats{0x1.00a334p+1f, 0x1.b83674p-5f});
  CHECK(last_two_normal(DType::float64, 0.0) ==
        Doubles{0x1.3bff1c51bd9a4p-3, -0x1.7ff1c81c48b11p-1});
  CHECK(last_two_normal(DType::bfloat16, uint16_t{0}) ==
        std::vector{math::to_bfloat16(0x1.e4p-1f).bits, math::to_bfloat16(-0x1.bp-1f).bits});
  draw(Floats{0x1.c110d6p+1f, 0x1.3afa7ep+0f, 0x1.3ae71p-1f},
       [](auto& g, float* dst, int64_t n) { fill_exponential(g, DType::float32, dst, n, 1); });
  draw(Floats{0x1.53209ap+3f, 0x1.878f94p-1f},
       [](auto& g, float* dst, int64_t n) { fill_cauchy(g, DType::float32, dst, n, 0, 1); });
  draw(std::vector<uint8_t>{0, 0, 1, 0, 0, 0, 1, 1, 0, 1, 1, 1},
       [](auto& g, uint8_t* dst, int64_t n) { fill_bernoulli(g, DType::boolean, dst, n, 0.5); });
  draw(Integers{4, 9, 3, 0, 3, 9, 7, 3},
       [](auto& g, int64_t* dst, int64_t n) { fill_random_range(g, DType::int64, dst, n, 10, 0); });
  draw(Integers{-3711235831533098449, -642142871786238784}, [](auto& g, int64_t* dst, int64_t n) {
    fill_random_range(g, DType::int64, dst, n, uint64_t{1} << 63, -(int64_t{1} << 62));
  });
  draw(std::vector<int32_t>{209652396, 398764591, 924231285},
       [](auto& g, int32_t* dst, int64_t n) { fill_random(g, DType::int32, dst, n); });
  draw(Integers{4, 0, 7, 3, 2, 5, 1, 6},
       [](auto& g, int64_t* dst, int64_t n) { fill_permutation(g, DType::int64, dst, n); });
  const Floats weights{1, 2, 3, 4};
  draw(Integers{2, 1, 3, 0}, [&](auto& g, int64_t* dst, int64_t n) {
    multinomial_without_replacement(g, DType::float32, weights.data(), 1, 4, n, dst);
  });
  draw(Integers{3, 3, 2, 3, 3, 3, 1, 2}, [&](auto& g, int64_t* dst, int64_t n) {
    multinomial_with_replacement(g, DType::float32, weights.data(), 1, 4, n, dst);
  });
}

TEST(short_normal_fills_keep_the_second_of_a_pair) {
  Generator whole(3), parts(3);
  const std::vector<float> all = normal(whole, 9);
  std::vector<float> joined;
  for (int64_t n : {1, 3, 2, 3}) {
    const std::vector<float> part = normal(parts, n);
    joined.insert(joined.end(), part.begin(), part.end());
  }
  CHECK(all == joined);
  CHECK(state(whole) == state(parts));
}

// The Box-Muller transform written down anew, in double.
TEST(normal_numbers_come_from_uniform_ones) {
  for (int64_t n : {16, 33, 1000, 40000}) {
    Generator first(11), second(11);
    const std::vector<float> values = normal(first, n, 0.5, 2);
    std::vector<float> u(static_cast<size_t>(n));
    fill_uniform(second, DType::float32, u.data(), n, 0, 1);
    std::vector<int64_t> groups;
    for (int64_t at = 0; at + 16 <= n; at += 16) groups.push_back(at);
    if (n % 16 != 0) {
      fill_uniform(second, DType::float32, u.data() + n - 16, 16, 0, 1);
      groups.back() = n - 16;  // the group before it is partly overwritten
    }
    for (int64_t at : groups) {
      for (int64_t j = at; j < at + 8; ++j) {
        const double radius = std::sqrt(-2 * std::log(1 - static_cast<double>(u[j])));
        const double angle = 2 * std::numbers::pi * static_cast<double>(u[j + 8]);
        CHECK(near(values[j], 0.5 + 2 * radius * std::cos(angle), 4e-6));
        CHECK(near(values[j + 8], 0.5 + 2 * radius * std::sin(angle), 4e-6));
      }
    }
    CHECK(state(first) == state(second));
  }
}

TEST(numbers_do_not_depend_on_the_number_of_threads) {
  const int before = num_threads();
  for (int64_t n : {1000, 16384, 16385, 100003, 2200000}) {
    auto draw = [n](int threads) {
      set_num_threads(threads);
      Generator generator(5);
      std::vector<uint8_t> all;
      std::vector<uint8_t> values(static_cast<size_t>(n) * 8);
      auto keep = [&] { all.insert(all.end(), values.begin(), values.end()); };
      for (DType dtype : {DType::float32, DType::float64, DType::bfloat16}) {
        fill_normal(generator, dtype, values.data(), n, 0, 1);
        keep();
        fill_uniform(generator, dtype, values.data(), n, -1, 3);
        keep();
      }
      fill_log_normal(generator, DType::float32, values.data(), n / 8 + 1, 0, 1);
      keep();
      fill_bernoulli(generator, DType::int64, values.data(), n, 0.25);
      keep();
      const std::vector<uint8_t> last = state(generator);
      all.insert(all.end(), last.begin(), last.end());
      return all;
    };
    const std::vector<uint8_t> alone = draw(1);
    CHECK(draw(2) == alone);
    CHECK(draw(5) == alone);
  }
  set_num_threads(before);
}

TEST(distributions_have_their_moments) {
  constexpr int64_t n = 1 << 20;
  constexpr double mean_error = 5.0 / 1024;  // five standard errors of a unit variance
  Generator generator(1);
  auto doubles = [&](auto&& fill) {
    return numbers<double>(generator, n, [&](Generator& g, double* dst, int64_t count) {
      fill(g, DType::float64, dst, count);
    });
  };
  auto expect = [&](const std::vector<double>& values, double mean, double variance) {
    const Moments found = moments(values);
    CHECK(near(found.mean, mean, mean_error * std::sqrt(variance)));
    CHECK(near(found.variance, variance, 0.05 * variance));
  };
  using G = Generator&;
  expect(doubles([](G g, DType t, void* d, int64_t k) { fill_uniform(g, t, d, k, -1, 3); }), 1,
         16.0 / 12);
  expect(doubles([](G g, DType t, void* d, int64_t k) { fill_normal(g, t, d, k, 2, 3); }), 2, 9);
  expect(doubles([](G g, DType t, void* d, int64_t k) { fill_normal_pairs(g, t, d, k, 2, 3); }), 2,
         9);
  expect(doubles([](G g, DType t, void* d, int64_t k) { fill_exponential(g, t, d, k, 4); }), 0.25,
         1.0 / 16);
  expect(doubles([](G g, DType t, void* d, int64_t k) { fill_geometric(g, t, d, k, 0.3); }),
         1 / 0.3, 0.7 / 0.09);
  expect(doubles([](G g, DType t, void* d, int64_t k) { fill_bernoulli(g, t, d, k, 0.2); }), 0.2,
         0.16);
  expect(doubles([](G g, DType t, void* d, int64_t k) { fill_random_range(g, t, d, k, 6, 1); }),
         3.5, 35.0 / 12);
  std::vector<double> logs =
      doubles([](G g, DType t, void* d, int64_t k) { fill_log_normal(g, t, d, k, 1, 0.5); });
  for (double& value : logs) value = std::log(value);
  expect(logs, 1, 0.25);
  std::vector<double> cauchy =
      doubles([](G g, DType t, void* d, int64_t k) { fill_cauchy(g, t, d, k, 3, 2); });
  std::nth_element(cauchy.begin(), cauchy.begin() + n / 2, cauchy.end());
  CHECK(near(cauchy[n / 2], 3, 0.02));
  std::nth_element(cauchy.begin(), cauchy.begin() + n / 4, cauchy.end());
  CHECK(near(cauchy[n / 4], 1, 0.03));
}

TEST(probabilities_of_each_element_are_kept) {
  Generator generator(2);
  constexpr int64_t n = 30000;
  std::vector<double> p(n);
  for (int64_t i = 0; i < n; ++i) p[i] = i < n / 3 ? 0 : i < 2 * n / 3 ? 1 : 0.5;
  std::vector<float> hits(n);
  fill_bernoulli(generator, DType::float32, hits.data(), n, DType::float64, p.data());
  CHECK(std::count(hits.begin(), hits.begin() + n / 3, 0.0f) == n / 3);
  CHECK(std::count(hits.begin() + n / 3, hits.begin() + 2 * n / 3, 1.0f) == n / 3);
  CHECK(near(static_cast<double>(std::count(hits.begin() + 2 * n / 3, hits.end(), 1.0f)), n / 6,
             300));
  p[n / 2] = 1.5;
  auto fill = [&] {
    fill_bernoulli(generator, DType::float32, hits.data(), n, DType::float64, p.data());
  };
  CHECK(check::throws<std::runtime_error>(fill, "bernoulli_: expected probabilities in [0, 1]"));
}

TEST(permutations_hold_each_number_once_and_are_even) {
  Generator generator(4);
  for (int64_t n : {0, 1, 2, 1000}) {
    std::vector<int32_t> values(static_cast<size_t>(n));
    fill_permutation(generator, DType::int32, values.data(), n);
    std::sort(values.begin(), values.end());
    for (int64_t i = 0; i < n; ++i) CHECK(values[i] == i);
  }
  std::vector<int> seen(6);
  for (int i = 0; i < 6000; ++i) {
    int64_t p[3];
    fill_permutation(generator, DType::int64, p, 3);
    ++seen[static_cast<size_t>(p[0] * 2 + (p[1] > p[2]))];
  }
  for (int count : seen) CHECK(near(count, 1000, 150));
}

TEST(multinomial_draws_by_weight_and_checks_weights) {
  Generator generator(6);
  const std::vector<double> weights{1, 0, 3, 4, 2, 0, 1, 1};  // two rows of four
  constexpr int64_t n = 40000;
  std::vector<int64_t> draws(2 * n);
  multinomial_with_replacement(generator, DType::float64, weights.data(), 2, 4, n, draws.data());
  for (int64_t row = 0; row < 2; ++row) {
    double sum = 0;
    for (int64_t i = 0; i < 4; ++i) sum += weights[row * 4 + i];
    for (int64_t i = 0; i < 4; ++i) {
      const auto begin = draws.begin() + row * n;
      const auto count = static_cast<double>(std::count(begin, begin + n, i));
      CHECK(near(count / n, weights[row * 4 + i] / sum, 0.015));
    }
  }
  int first_is_2 = 0;
  for (int i = 0; i < 4000; ++i) {
    int64_t three[6];
    multinomial_without_replacement(generator, DType::float64, weights.data(), 2, 4, 3, three);
    CHECK(three[0] != three[1] && three[1] != three[2] && three[0] != three[2]);
    CHECK(std::count(three, three + 3, 1) == 0);
    first_is_2 += three[0] == 2;
  }
  CHECK(near(first_is_2 / 4000.0, 3.0 / 8, 0.04));
  for (double bad : {-1.0, std::nan(""), HUGE_VAL, 0.0}) {
    const std::vector<double> wrong{bad, 0};
    auto draw = [&](auto&& function) {
      return [&] { function(generator, DType::float64, wrong.data(), 1, 2, 1, draws.data()); };
    };
    const char* text = "multinomial: invalid multinomial distribution";
    CHECK(check::throws<std::runtime_error>(draw(multinomial_with_replacement), text));
    CHECK(check::throws<std::runtime_error>(draw(multinomial_without_replacement), text));
  }
}

TEST(a_state_can_be_saved_and_set) {
  Generator first(9);
  normal(first, 3);  // leaves the second of a pair
  CHECK(first.next_normal.has_value());
  const std::vector<uint8_t> saved = state(first);
  Generator second;
  second.set_state(saved.data(), saved.size());
  CHECK(second.initial_seed() == 9);
  CHECK(normal(first, 100) == normal(second, 100));
  CHECK(state(first) == state(second));

  Generator third;
  third.copy_state(first);
  CHECK(normal(first, 5) == normal(third, 5));

  CHECK(first.seed() == first.initial_seed());
  CHECK(!first.next_normal.has_value());
  CHECK(first.initial_seed() < uint64_t{1} << 53);
}

TEST(a_wrong_state_is_refused) {
  Generator generator(9);
  const std::vector<uint8_t> good = state(generator);
  auto set = [&](std::vector<uint8_t> bytes) {
    return [&generator, bytes] { generator.set_state(bytes.data(), bytes.size()); };
  };
  CHECK(check::throws<std::runtime_error>(set({good.begin(), good.end() - 1}), "5055 bytes"));
  struct Change {
    size_t at;
    uint8_t value;
  };
  // No words left, 769 left, not seeded, next = 768, next beyond 2^32.
  for (Change change : {Change{8, 0}, {9, 3}, {12, 0}, {17, 3}, {23, 1}}) {
    std::vector<uint8_t> bad = good;
    bad[change.at] = change.value;
    CHECK(check::throws<std::runtime_error>(set(bad), "Invalid mt19937 state"));
  }
  CHECK(state(generator) == good);
}

TEST(a_forked_child_waits_for_generators_and_goes_on_with_them) {
  Generator generator(21);
  const std::vector<uint8_t> start = state(generator);
  std::atomic<bool> stop = false;
  std::thread busy([&] {
    std::vector<float> values(1000);
    while (!stop) {
      std::lock_guard lock(generator.mutex);
      generator.set_state(start.data(), start.size());
      fill_normal(generator, DType::float32, values.data(), 1000, 0, 1);
    }
  });
  Generator whole(21);
  normal(whole, 1000);
  const std::vector<uint8_t> end = state(whole);
  for (int i = 0; i < 50; ++i) {
    CHECK(check::passes_in_child([&] {
      std::lock_guard lock(generator.mutex);
      CHECK(state(generator) == start || state(generator) == end);
      normal(generator, 100);
    }));
  }
  stop = true;
  busy.join();
}
