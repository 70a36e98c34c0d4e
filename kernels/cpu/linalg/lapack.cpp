#include "kernels/cpu/linalg/lapack.h"

#include <dlfcn.h>

#include <atomic>
#include <climits>
#include <cstdlib>
#include <mutex>
#include <vector>

#include "core/tensor/error.h"

namespace flambeau::inline v1::lapack {
namespace {

struct Library {
  void* handle;
  std::string path, prefix;

  // Names in C: "potrf" of doubles is dpotrf_, behind a prefix where the library has one.
  void* find(const std::string& name) const { return dlsym(handle, (prefix + name).c_str()); }
};

std::atomic<Finder> finder{nullptr};
std::atomic<const Library*> library{nullptr};  // never closed: pointers into it are kept
std::mutex opening;

const Library* opened(const std::string& path, std::string& tried) {
  void* const handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    const char* const why = dlerror();
    tried += concat("; ", why ? why : path.c_str());
    return nullptr;
  }
  for (const char* prefix : {"scipy_", ""}) {
    Library found{handle, path, prefix};
    if (!found.find("dpotrf_")) continue;
    // Our pool has the threads. Other libraries have one, or no such function.
    if (void* const set = found.find("openblas_set_num_threads"))
      reinterpret_cast<void (*)(int)>(set)(1);
    return new Library(std::move(found));
  }
  tried += concat("; ", path, " has no dpotrf_");
  dlclose(handle);
  return nullptr;
}

}  // namespace

void set_finder(Finder f) { finder = f; }

void open() {
  if (library.load(std::memory_order_acquire)) return;
  std::vector<std::string> paths;
  if (const Finder find = finder) paths.push_back(find());
  if (const char* const named = std::getenv("FLAMBEAU_LAPACK")) paths.emplace_back(named);
  paths.emplace_back("liblapack.so.3");
  const std::lock_guard lock(opening);
  if (library.load(std::memory_order_acquire)) return;
  std::string tried;
  for (const std::string& path : paths) {
    if (path.empty()) continue;
    if (const Library* const found = opened(path, tried)) {
      library.store(found, std::memory_order_release);
      return;
    }
  }
  raise(
      "linalg: there is no LAPACK library: pip install scipy-openblas32, or let FLAMBEAU_LAPACK "
      "name a shared library that has it, or install the system's (apt install liblapack3)",
      tried);
}

std::string path() {
  const Library* const l = library.load(std::memory_order_acquire);
  return l ? l->path : std::string();
}

void* symbol(char letter, const char* name) {
  const Library* const l = library.load(std::memory_order_acquire);
  const std::string whole = std::string(1, letter) + name;
  void* const found = l ? l->find(whole) : nullptr;
  check(found, "linalg: ", l ? l->path : "no library", " has no ", whole,
        ": pip install scipy-openblas32");
  return found;
}

int size(int64_t n) {
  check(n <= INT_MAX, "linalg: LAPACK counts to ", INT_MAX, ", and a matrix has a side of ", n);
  return static_cast<int>(n);
}

}  // namespace flambeau::inline v1::lapack
