// A generator of random numbers on the CPU, with PyTorch's stream and PyTorch's saved state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>

#include "core/random/mt19937.h"

namespace flambeau::inline v1 {

struct Generator {
  static constexpr uint64_t kDefaultSeed = 67280421310721;
  static constexpr size_t kStateBytes = 5056;

  explicit Generator(uint64_t seed = kDefaultSeed);
  ~Generator();
  Generator(const Generator&) = delete;
  Generator& operator=(const Generator&) = delete;

  // Held by the caller around every use of what follows, and around each fill of random.h. fork()
  // waits for it, so a forked child starts from a whole state; no generator may be made or
  // destroyed, and the process not be forked, by a thread that holds one.
  mutable std::mutex mutex;

  void manual_seed(uint64_t seed);
  uint64_t initial_seed() const { return engine.seed(); }
  uint64_t seed();  // seeds with a number from the system, and returns it

  void get_state(uint8_t* bytes) const;                     // kStateBytes
  void set_state(const uint8_t* bytes, size_t byte_count);  // Error if it is no state
  void copy_state(const Generator& other);

  uint32_t random() { return engine(); }
  uint64_t random64() {
    const uint64_t high = engine();
    return high << 32 | engine();
  }

  Mt19937 engine;
  // The second number of a pair that was made for one. The float one is never made here, but may
  // stand in a saved state and then stays in it.
  std::optional<double> next_normal;
  std::optional<float> next_float_normal;

 private:
  Generator *next_ = nullptr, *previous_ = nullptr;  // among all; see fork
  friend struct Generators;
};

// The generator of ops that are given none; seeded by the system.
Generator& default_generator();
// The scope in which this thread has another default generator: that of a device.
class UseGenerator {
 public:
  explicit UseGenerator(Generator& generator);
  ~UseGenerator();
  UseGenerator(const UseGenerator&) = delete;

 private:
  Generator* const before_;
};
void manual_seed(uint64_t seed);  // of the default generator

uint64_t system_seed();  // 53 bits, so that it is exact as a double

}  // namespace flambeau::inline v1
