// Walks the generator's stream in tiles, on all threads when it is long.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <vector>

#include "core/parallel/parallel.h"
#include "core/random/generator.h"

namespace flambeau::inline v1 {

constexpr int64_t kStreamTile = 512;  // elements
constexpr int64_t kStreamChunk = 32 * kStreamTile;
constexpr int64_t kStreamRound = 128 * kStreamChunk;

// tile(words, begin, count) for all of [begin, end), in order.
template <int kWordsPerElement, class Tile>
void walk_stream(Mt19937& engine, int64_t begin, int64_t end, const Tile& tile) {
  alignas(64) uint32_t words[kStreamTile * kWordsPerElement];
  for (; begin < end; begin += kStreamTile) {
    const int64_t count = std::min(kStreamTile, end - begin);
    engine.fill(words, count * kWordsPerElement);
    tile(static_cast<const uint32_t*>(words), begin, count);
  }
}

// tile(words, begin, count) over [0, n), with `begin` a multiple of kStreamTile and the words that
// the elements have in the one stream, whatever the number of threads is. The twister's blocks
// follow from one another, but advancing it is a small part of the work: that is done first, by
// one thread, which keeps a copy of the engine at the start of each chunk.
template <int kWordsPerElement, class Tile>
void stream(Generator& generator, int64_t n, const Tile& tile) {
  if (n <= kStreamChunk || num_threads() == 1 || in_parallel_region()) {
    return walk_stream<kWordsPerElement>(generator.engine, 0, n, tile);
  }
  std::vector<Mt19937> starts;
  for (int64_t begin = 0; begin < n; begin += kStreamRound) {
    const int64_t end = std::min(n, begin + kStreamRound);
    starts.clear();
    for (int64_t at = begin; at < end; at += kStreamChunk) {
      starts.push_back(generator.engine);
      generator.engine.skip(std::min(kStreamChunk, end - at) * kWordsPerElement);
    }
    parallel_tasks(static_cast<int64_t>(starts.size()), [&](int64_t chunk) {
      const int64_t at = begin + chunk * kStreamChunk;
      walk_stream<kWordsPerElement>(starts[chunk], at, std::min(end, at + kStreamChunk), tile);
    });
  }
}

// 53 bits in [0, 1).
inline double unit_double(const uint32_t* words) {
  const uint64_t bits = static_cast<uint64_t>(words[0]) << 32 | words[1];
  return static_cast<double>(bits & ((uint64_t{1} << 53) - 1)) * 0x1p-53;
}

// Of a normal distribution with mean 0 and standard deviation 1, two at a time.
struct NormalPair {
  double first, second;
};

inline NormalPair normal_pair(const uint32_t* words) {
  const double radius = std::sqrt(-2 * std::log1p(-unit_double(words + 2)));
  const double angle = 2 * std::numbers::pi * unit_double(words);
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

}  // namespace flambeau::inline v1
