#pragma once

namespace flambeau::inline v1 {

// FLAMBEAU_NUM_THREADS, else OMP_NUM_THREADS, else one for each core that the affinity mask and the
// cgroup's quota leave to this process. A FLAMBEAU_NUM_THREADS that is no positive number is a
// std::runtime_error.
int default_num_threads();

constexpr int kMaxThreads = 4096;

}  // namespace flambeau::inline v1
