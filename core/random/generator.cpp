#include "core/random/generator.h"

#include <pthread.h>

#include <cstddef>
#include <cstring>
#include <random>
#include <utility>

#include "core/tensor/error.h"

namespace flambeau::inline v1 {

// All generators, so that fork() can wait until none is in use.
struct Generators {
  std::mutex mutex;
  Generator* first = nullptr;

  void add(Generator* generator) {
    std::lock_guard lock(mutex);
    generator->next_ = first;
    if (first != nullptr) first->previous_ = generator;
    first = generator;
  }

  void remove(Generator* generator) {
    std::lock_guard lock(mutex);
    if (generator->next_ != nullptr) generator->next_->previous_ = generator->previous_;
    (generator->previous_ != nullptr ? generator->previous_->next_ : first) = generator->next_;
  }

  void lock_all() {
    mutex.lock();
    for (Generator* g = first; g != nullptr; g = g->next_) g->mutex.lock();
  }

  void unlock_all() {
    for (Generator* g = first; g != nullptr; g = g->next_) g->mutex.unlock();
    mutex.unlock();
  }
};

namespace {

constinit Generators generators;

// Registered after the allocator's, whose file comes earlier in the library: fork() then waits for
// generators, whose users may allocate, before it stops the allocator.
void register_fork_handlers() {
  [[maybe_unused]] static const int once =
      pthread_atfork([] { generators.lock_all(); }, [] { generators.unlock_all(); },
                     [] { generators.unlock_all(); });
}

// The bytes of a saved state: PyTorch's oldest layout, whose words have 64 bits each and which ends
// on a multiple of 8, then what was added to it.
struct SavedState {
  uint64_t seed;
  int32_t left, seeded;
  uint64_t next;
  uint64_t words[Mt19937::kWords];
  double unused_x, normal, unused_rho;
  int32_t has_normal;
  alignas(8) float float_normal;
  bool has_float_normal;
};
static_assert(sizeof(SavedState) == Generator::kStateBytes);

}  // namespace

Generator::Generator(uint64_t seed) : engine(seed) {
  register_fork_handlers();
  generators.add(this);
}

Generator::~Generator() { generators.remove(this); }

void Generator::manual_seed(uint64_t seed) {
  engine = Mt19937(seed);
  next_normal.reset();
  next_float_normal.reset();
}

uint64_t Generator::seed() {
  const uint64_t seed = system_seed();
  manual_seed(seed);
  return seed;
}

void Generator::copy_state(const Generator& other) {
  engine = other.engine;
  next_normal = other.next_normal;
  next_float_normal = other.next_float_normal;
}

void Generator::get_state(uint8_t* bytes) const {
  const Mt19937::State twister = engine.state();
  SavedState saved;
  std::memset(&saved, 0, sizeof(saved));  // padding too: equal generators have equal states
  saved.seed = twister.seed;
  saved.left = static_cast<int32_t>(twister.left);
  saved.seeded = 1;
  saved.next = twister.next;
  for (uint32_t i = 0; i < Mt19937::kWords; ++i) saved.words[i] = twister.words[i];
  saved.has_normal = next_normal.has_value();
  saved.normal = next_normal.value_or(0);
  saved.has_float_normal = next_float_normal.has_value();
  saved.float_normal = next_float_normal.value_or(0);
  std::memcpy(bytes, &saved, sizeof(saved));
}

void Generator::set_state(const uint8_t* bytes, size_t byte_count) {
  check(byte_count == kStateBytes, "set_state: expected a state of ", kStateBytes,
        " bytes, as get_state gives, but got ", byte_count, " bytes");
  SavedState saved;
  std::memcpy(&saved, bytes, sizeof(saved));
  uint8_t has_float_normal;  // any byte may stand there, a bool may not hold it
  std::memcpy(&has_float_normal, bytes + offsetof(SavedState, has_float_normal), 1);
  Mt19937::State twister{
      saved.seed, static_cast<uint32_t>(saved.left), static_cast<uint32_t>(saved.next), {}};
  check(saved.seeded == 1 && saved.next <= Mt19937::kWords && Mt19937::is_valid(twister),
        "set_state: Invalid mt19937 state; expected bytes that get_state gave");
  for (uint32_t i = 0; i < Mt19937::kWords; ++i) {
    twister.words[i] = static_cast<uint32_t>(saved.words[i]);
  }
  engine = Mt19937(twister);
  next_normal.reset();
  if (saved.has_normal != 0) next_normal = saved.normal;
  next_float_normal.reset();
  if (has_float_normal != 0) next_float_normal = saved.float_normal;
}

namespace {
thread_local constinit Generator* in_use = nullptr;
}

UseGenerator::UseGenerator(Generator& generator) : before_(std::exchange(in_use, &generator)) {}
UseGenerator::~UseGenerator() { in_use = before_; }

Generator& default_generator() {
  if (in_use) return *in_use;
  static Generator& generator = *new Generator(system_seed());  // outlives all its users
  return generator;
}

namespace {
// Made while the library loads: a process that is forked while another thread makes it would wait
// for that thread for ever.
[[maybe_unused]] const Generator& made_at_load = default_generator();
}  // namespace

void manual_seed(uint64_t seed) {
  Generator& generator = default_generator();
  const std::lock_guard lock(generator.mutex);
  generator.manual_seed(seed);
}

uint64_t system_seed() {
  std::random_device device;
  const uint64_t high = device(), low = device();
  return (high << 32 | low) & ((uint64_t{1} << 53) - 1);
}

}  // namespace flambeau::inline v1
