#include "core/parallel/thread_count.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/memory/system.h"
#include "core/parallel/affinity.h"

namespace flambeau::inline v1 {
namespace {

// 0 when the text does not begin with a positive number. OMP_NUM_THREADS may be a list, one number
// for each level of nesting, of which the first counts.
int leading_number(const char* text, const char** end) {
  char* after;
  errno = 0;
  const long number = std::strtol(text, &after, 10);
  *end = after;
  if (errno != 0 || number < 1) return 0;
  return static_cast<int>(std::min<long>(number, kMaxThreads));
}

// Two hardware threads of a core share its arithmetic units: a second one gains nothing here.
int count_cores(const std::vector<int>& cpus) {
  std::string smt;
  std::ifstream("/sys/devices/system/cpu/smt/active") >> smt;
  if (smt != "1") return static_cast<int>(cpus.size());
  std::set<std::string> cores;
  for (int cpu : cpus) {
    std::string siblings = "alone " + std::to_string(cpu);
    std::ifstream("/sys/devices/system/cpu/cpu" + std::to_string(cpu) +
                  "/topology/thread_siblings_list") >>
        siblings;
    cores.insert(siblings);
  }
  return static_cast<int>(cores.size());
}

}  // namespace

int default_num_threads() {
  const char* end;
  if (const char* text = std::getenv("FLAMBEAU_NUM_THREADS"); text != nullptr && *text != '\0') {
    const int number = leading_number(text, &end);
    if (number > 0 && *end == '\0') return number;
    throw std::runtime_error(std::string("FLAMBEAU_NUM_THREADS=") + text +
                             ": expected a positive number of threads");
  }
  if (const char* text = std::getenv("OMP_NUM_THREADS"); text != nullptr) {
    if (const int number = leading_number(text, &end); number > 0) return number;
  }
  int cores = count_cores(allowed_cpus());
  if (cores == 0) cores = std::max(1u, std::thread::hardware_concurrency());
  // Rounded down: a group that goes over its quota is stopped until the next period.
  const double quota = memory::cpu_quota();
  return std::max(1, quota < cores ? static_cast<int>(quota) : cores);
}

}  // namespace flambeau::inline v1
