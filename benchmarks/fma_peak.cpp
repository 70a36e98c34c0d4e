// The peak of float32 fused multiply-adds between registers: GFLOP/s of as many threads as the
// argument says. Independent chains hide the latency of each; the compiler must not see through
// them, which the empty assembly prevents.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#if defined(__AVX512F__)
constexpr int kBytes = 64;
#elif defined(__AVX__)
constexpr int kBytes = 32;
#else
constexpr int kBytes = 16;
#endif
constexpr int kLanes = kBytes / 4, kChains = 12;
constexpr long kSteps = 20'000'000;
typedef float Vector __attribute__((vector_size(kBytes)));

#if defined(__x86_64__)
#define IN_REGISTER "+v"
#else
#define IN_REGISTER "+w"
#endif

static void multiply_add() {
  Vector factor = {}, chain[kChains] = {};
  asm volatile("" : IN_REGISTER(factor));
  for (long i = 0; i < kSteps; ++i) {
#pragma GCC unroll 12
    for (int k = 0; k < kChains; ++k) {
      chain[k] = chain[k] * factor + factor;
      asm volatile("" : IN_REGISTER(chain[k]));
    }
  }
}

int main(int argc, char** argv) {
  const int count = argc > 1 ? std::atoi(argv[1]) : 1;
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) threads.emplace_back(multiply_add);
  for (std::thread& t : threads) t.join();
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  std::printf("%.2f\n", 2e-9 * count * kSteps * kChains * kLanes / taken.count());
}
