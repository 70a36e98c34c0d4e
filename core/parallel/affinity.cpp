#include "core/parallel/affinity.h"

#include <sched.h>

#include <algorithm>
#include <cerrno>

namespace flambeau::inline v1 {
namespace {

// A set of processors 0 to count - 1; the fixed cpu_set_t ends at 1024.
class CpuSet {
 public:
  explicit CpuSet(int count) : set_(CPU_ALLOC(count)), bytes_(CPU_ALLOC_SIZE(count)) {
    CPU_ZERO_S(bytes_, set_);
  }
  ~CpuSet() { CPU_FREE(set_); }
  CpuSet(const CpuSet&) = delete;

  void add(int cpu) { CPU_SET_S(cpu, bytes_, set_); }
  bool has(int cpu) const { return CPU_ISSET_S(cpu, bytes_, set_); }
  bool read() { return sched_getaffinity(0, bytes_, set_) == 0; }
  bool apply() const { return sched_setaffinity(0, bytes_, set_) == 0; }

 private:
  cpu_set_t* set_;
  size_t bytes_;
};

}  // namespace

std::vector<int> allowed_cpus() {
  std::vector<int> cpus;
  for (int count = 1024; count <= 1 << 20; count *= 4) {  // until the kernel's own set fits
    CpuSet set(count);
    const bool read = set.read();
    if (!read && errno == EINVAL) continue;
    for (int cpu = 0; read && cpu < count; ++cpu) {
      if (set.has(cpu)) cpus.push_back(cpu);
    }
    break;
  }
  return cpus;
}

bool move_off(int avoided, const std::vector<int>& cpus) {
  if (cpus.empty()) return false;
  CpuSet set(*std::max_element(cpus.begin(), cpus.end()) + 1);
  bool any = false;
  for (int cpu : cpus) {
    if (cpu == avoided) continue;
    set.add(cpu);
    any = true;
  }
  return any && set.apply();
}

}  // namespace flambeau::inline v1
