// Threads that read, resize and free the memory of shared tensors: made for ThreadSanitizer.
#include <atomic>
#include <string>
#include <thread>

#include "check.h"
#include "core/tensor/rearrange.h"
#include "core/tensor/tensor.h"

using namespace flambeau;

#ifdef FLAMBEAU_WITHOUT_AUTOGRAD
void flambeau::DropAutograd::operator()(AutogradMeta*) const {}
#endif

namespace {

constexpr int64_t kNumel = 4096;

Tensor floats(int64_t n) {
  auto* const impl =
      new TensorImpl(Storage::allocate(n * sizeof(float), Device{}), DType::float32, Device{});
  const Tensor t = Tensor::adopt(impl);
  impl->begin_contiguous({&n, 1});
  std::fill(t.data<float>(), t.data<float>() + n, 1.0f);
  return t;
}

// As a kernel: sizes are looked at, then memory, then sizes again.
double total(const Tensor& t) {
  const int64_t n = t.numel();
  const auto* const data = t.data<float>();
  double sum = 0;
  for (int64_t i = 0; i < n && i < t.numel(); ++i) sum += data[i];
  return sum;
}

template <class... F>
void together(F&&... bodies) {
  std::thread threads[] = {std::thread(bodies)...};
  for (std::thread& t : threads) t.join();
}

}  // namespace

TEST(memory_moves_while_others_read) {
  const Tensor shared = floats(kNumel);
  std::atomic<int> left = 2, sums = 0;
  const auto read = [&] {
    while (left > 0) {
      const Computing here;
      try {
        CHECK(total(shared) >= 0);
        ++sums;
      } catch (const NoMemory&) {
      }
    }
  };
  const auto change = [&](int first) {
    for (int i = 0; i < 300; ++i) {
      const Rearranging scope;
      const Ref<Storage> held = shared.impl()->storage();
      Storage& storage = *held;
      switch ((first + i) % 4) {
        case 0:
          storage.resize(0);
          break;
        case 1: {
          const Dims sizes{2, 1 + i % 7, 1, 1, 1, 1 + i % 3};
          resize(shared, sizes);
          break;
        }
        case 2: {
          const Tensor other = floats(kNumel + i);  // the former memory goes
          shared.impl()->set_geometry(Dims{1}, Dims{1}, 0);
          shared.impl()->set_storage(other.impl()->storage());
          shared.impl()->set_geometry(other.sizes(), other.strides(), 0);
          break;
        }
        default:
          storage.resize(kNumel * sizeof(float));
      }
      if (shared.impl()->storage()->ready())
        std::fill(shared.data<float>(), shared.data<float>() + shared.numel(), 1.0f);
    }
    --left;
  };
  together(read, read, read, [&] { change(0); }, [&] { change(2); });
  CHECK(sums > 0);
}

TEST(who_computes_may_rearrange_when_alone) {
  const Tensor shared = floats(8), other = shared;
  const Computing here;
  resize(shared, Dims{400});
  CHECK(other.numel() == 400 && other.impl()->storage()->nbytes() == 1600);
}

TEST(two_that_compute_and_rearrange_are_an_error_and_no_deadlock) {
  const Tensor shared[] = {floats(8), floats(8)}, held[] = {shared[0], shared[1]};
  std::atomic<int> refused = 0, done = 0;
  const auto work = [&](int own) {
    for (int i = 1; i < 200; ++i) {
      const Computing here;
      try {
        resize(held[own], Dims{int64_t{8} + i});
        ++done;
      } catch (const Error& error) {
        CHECK(std::strstr(error.what(), "while both compute"));
        ++refused;
      }
    }
  };
  together([&] { work(0); }, [&] { work(1); });
  CHECK(done > 0 && done + refused == 2 * 199);
}

TEST(a_hook_rearranges_while_its_thread_pauses) {
  const Tensor shared = floats(8), held = shared;
  std::atomic<bool> stop = false;
  together(
      [&] {
        for (int i = 0; i < 100; ++i) {
          const Computing here;
          const Away away;
          resize(held, Dims{int64_t{8} + i});
        }
        stop = true;
      },
      [&] {
        while (!stop) {
          const Computing here;
          total(shared);
        }
      });
  CHECK(held.numel() == 107);
}

TEST(what_is_lent_stays) {
  const Tensor t = floats(4), held = t;
  const Lent lent(t.impl()->storage());
  CHECK(check::throws<Error>([&] { held.impl()->storage()->resize(0); }, "not resizable"));
  CHECK(check::throws<Error>([&] { resize(held, Dims{400}); }, "not resizable"));
  CHECK(held.numel() == 4);
}
