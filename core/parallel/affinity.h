#pragma once

#include <vector>

namespace flambeau::inline v1 {

std::vector<int> allowed_cpus();  // of the calling thread; empty when they cannot be told

// Restricts the calling thread to those of `cpus` that are not `avoided`, and so moves it there.
// False when none is left.
bool move_off(int avoided, const std::vector<int>& cpus);

}  // namespace flambeau::inline v1
