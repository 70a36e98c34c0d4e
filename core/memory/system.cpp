#include "core/memory/system.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace flambeau::inline v1::memory {
namespace {

std::string read_file(const std::string& path) {
  std::string text;
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return text;
  char buffer[4096];
  ssize_t count;
  while ((count = read(file, buffer, sizeof(buffer))) > 0) text.append(buffer, count);
  close(file);
  return text;
}

std::optional<uint64_t> parse_number(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  uint64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc()) return std::nullopt;
  return value;
}

std::optional<uint64_t> read_number(const std::string& path) {
  return parse_number(read_file(path));
}

// The number after `key` at the start of a line ("MemAvailable: 123 kB", "inactive_file 123").
uint64_t field(std::string_view text, std::string_view key) {
  size_t start = 0;
  while (start < text.size()) {
    const size_t end = std::min(text.find('\n', start), text.size());
    const std::string_view line = text.substr(start, end - start);
    if (line.starts_with(key)) return parse_number(line.substr(key.size())).value_or(0);
    start = end + 1;
  }
  return 0;
}

bool lists(std::string_view comma_separated, std::string_view name) {
  for (size_t start = 0; start <= comma_separated.size();) {
    const size_t end = std::min(comma_separated.find(',', start), comma_separated.size());
    if (comma_separated.substr(start, end - start) == name) return true;
    start = end + 1;
  }
  return false;
}

// The path of this process in the hierarchy of `controller`; an empty controller is version 2's.
std::optional<std::string> group_path(const std::string& controller) {
  std::istringstream groups(read_file("/proc/self/cgroup"));
  for (std::string line; std::getline(groups, line);) {  // "4:memory:/path", "0::/path"
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string_view names = std::string_view(line).substr(first + 1, second - first - 1);
    if (controller.empty() ? names.empty() : lists(names, controller)) {
      return line.substr(second + 1);
    }
  }
  return std::nullopt;
}

struct Mount {
  std::string root, point;
};

std::optional<Mount> group_mount(const std::string& controller) {
  std::istringstream mounts(read_file("/proc/self/mountinfo"));
  for (std::string line; std::getline(mounts, line);) {
    // id parent major:minor root point options... - type source options
    const size_t dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    std::string skip, type, source, options;
    Mount mount;
    std::istringstream(line) >> skip >> skip >> skip >> mount.root >> mount.point;
    std::istringstream(line.substr(dash + 3)) >> type >> source >> options;
    if (controller.empty() ? type == "cgroup2" : type == "cgroup" && lists(options, controller)) {
      return mount;
    }
  }
  return std::nullopt;
}

// The folders of the group of this process and of all groups around it, innermost first. A limit
// may stand in any of them.
std::vector<std::string> group_folders(const std::string& controller) {
  std::vector<std::string> folders;
  const auto mount = group_mount(controller);
  const auto path = group_path(controller);
  if (!mount || !path) return folders;
  // A container without a namespace of its own sees the host's path, of which only the part below
  // the mount's root exists in it.
  std::string inner = *path;
  if (mount->root != "/") {
    inner = inner.starts_with(mount->root) ? inner.substr(mount->root.size()) : "";
  }
  while (!inner.empty() && inner != "/") {
    folders.push_back(mount->point + inner);
    inner.erase(inner.rfind('/'));
  }
  folders.push_back(mount->point);
  return folders;
}

struct GroupFiles {
  const char *controller, *limit, *usage;
  const char *inactive_file, *active_file, *slab;  // keys of memory.stat
};

constexpr GroupFiles kMemoryFiles[] = {
    {"", "/memory.max", "/memory.current", "inactive_file", "active_file", "slab_reclaimable"},
    {"memory", "/memory.limit_in_bytes", "/memory.usage_in_bytes", "total_inactive_file",
     "total_active_file", "total_slab_reclaimable"},
};

// Version 1 has no word for "no limit", only a number near 2^63.
constexpr uint64_t kNoLimit = uint64_t{1} << 60;

void restrict_to_group(SystemMemory& memory, const std::string& folder, const GroupFiles& files) {
  const auto limit = read_number(folder + files.limit);
  const auto usage = read_number(folder + files.usage);
  if (!limit || !usage || *limit >= kNoLimit) return;
  const std::string stat = read_file(folder + "/memory.stat");
  // The page cache counts as used, but the kernel drops it before it kills; of the pages in active
  // use only half are taken to be dispensable, as in the kernel's own MemAvailable.
  const uint64_t reclaimable = field(stat, files.inactive_file) +
                               field(stat, files.active_file) / 2 + field(stat, files.slab) / 2;
  const uint64_t used = *usage - std::min(*usage, reclaimable);
  memory.total = std::min(memory.total, *limit);
  memory.available = std::min(memory.available, *limit - std::min(*limit, used));
}

// "200000 100000" (quota and period in microseconds) or "max 100000".
double quota(const std::string& text) {
  std::istringstream words(text);
  double quota, period;
  if (words >> quota >> period && quota > 0 && period > 0) return quota / period;
  return std::numeric_limits<double>::infinity();
}

}  // namespace

SystemMemory system_memory() {
  const std::string machine = read_file("/proc/meminfo");
  SystemMemory memory{field(machine, "MemTotal:") * 1024,
                      (field(machine, "MemAvailable:") + field(machine, "SwapFree:")) * 1024};
  if (memory.total == 0) {  // no /proc: nothing is known, so nothing is refused
    memory.total = memory.available = std::numeric_limits<int64_t>::max();
  }
  for (const GroupFiles& files : kMemoryFiles) {
    for (const std::string& folder : group_folders(files.controller)) {
      restrict_to_group(memory, folder, files);
    }
  }
  return memory;
}

uint64_t resident_bytes() {
  std::istringstream pages(read_file("/proc/self/statm"));
  uint64_t size = 0, resident = 0, shared = 0;
  pages >> size >> resident >> shared;
  return (resident - std::min(resident, shared)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

double cpu_quota() {
  double tightest = std::numeric_limits<double>::infinity();
  for (const std::string& folder : group_folders("")) {
    tightest = std::min(tightest, quota(read_file(folder + "/cpu.max")));
  }
  for (const std::string& folder : group_folders("cpu")) {
    tightest = std::min(tightest, quota(read_file(folder + "/cpu.cfs_quota_us") + " " +
                                        read_file(folder + "/cpu.cfs_period_us")));
  }
  return tightest;
}

}  // namespace flambeau::inline v1::memory
