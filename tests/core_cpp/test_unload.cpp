// The library is loaded and unloaded while its workers run: it must not leave them without code.
#include <dlfcn.h>

#include <atomic>
#include <cstdint>

#include "check.h"

namespace {

using Body = void (*)(void* context, int64_t task);

template <class F>
F find(void* library, const char* mangled) {
  return reinterpret_cast<F>(dlsym(library, mangled));
}

}  // namespace

TEST(the_library_can_be_unloaded) {
  for (int i = 0; i < 20; ++i) {
    void* library = dlopen(FLAMBEAU_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!CHECK(library != nullptr)) {
      std::fprintf(stderr, "%s\n", dlerror());
      return;
    }
    auto set_num_threads = find<void (*)(int)>(library, "_ZN8flambeau2v115set_num_threadsEi");
    auto run_tasks =
        find<void (*)(int64_t, Body, void*)>(library, "_ZN8flambeau2v19run_tasksElPFvPvlES1_");
    if (!CHECK(set_num_threads != nullptr && run_tasks != nullptr)) return;
    set_num_threads(4);
    std::atomic<int64_t> sum = 0;
    run_tasks(
        100,
        [](void* context, int64_t task) { *static_cast<std::atomic<int64_t>*>(context) += task; },
        &sum);
    CHECK(sum == 4950);
    CHECK(dlclose(library) == 0);
  }
}
