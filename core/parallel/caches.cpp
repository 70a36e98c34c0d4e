#include "core/parallel/caches.h"

#include <algorithm>
#include <fstream>
#include <set>
#include <string>

#include "core/parallel/affinity.h"

namespace flambeau::inline v1 {
namespace {

struct Caches {
  int64_t bytes = int64_t{32} << 20;  // of one
  int count = 1;
};

Caches find_caches() {
  Caches found;
  std::set<std::string> sharers;  // of each cache
  for (int cpu : allowed_cpus()) {
    const std::string folder = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/cache/index";
    int last = 0;
    int64_t kilobytes = 0;
    std::string processors;
    for (int index = 0;; ++index) {
      int level = 0;
      std::ifstream(folder + std::to_string(index) + "/level") >> level;
      if (level == 0) break;
      if (level <= last) continue;
      last = level;
      std::ifstream(folder + std::to_string(index) + "/size") >> kilobytes;
      std::ifstream(folder + std::to_string(index) + "/shared_cpu_list") >> processors;
    }
    if (kilobytes == 0) break;
    found.bytes = kilobytes << 10;
    sharers.insert(processors);
  }
  found.count = std::max(1, static_cast<int>(sharers.size()));
  return found;
}

}  // namespace

int64_t last_level_cache_bytes(int threads) {
  static const Caches caches = find_caches();
  return caches.bytes * std::clamp(threads, 1, caches.count);
}

}  // namespace flambeau::inline v1
