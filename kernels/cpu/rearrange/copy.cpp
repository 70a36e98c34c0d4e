#include "core/parallel/caches.h"
#include "core/parallel/parallel.h"
#include "kernels/cpu/pointwise/convert.h"
#include "kernels/cpu/pointwise/pointwise_plan.h"

namespace flambeau::inline v1::cpu {
namespace {

constexpr int64_t kChunkBytes = 256 << 10;
constexpr int64_t kStreamBytes = 8 << 20;

int64_t bytes_of(DType dtype) { return static_cast<int64_t>(itemsize(dtype)); }

// Whether a result leaves the caches before it is read: then it is stored past them. A core's
// stores past the caches are slower than those to them, so what the caches can hold is left to
// them.
bool passes_caches(int64_t bytes) {
  return bytes >= kStreamBytes && bytes >= last_level_cache_bytes(num_threads()) / 4 * 3;
}

// Whether casting changes nothing in the bits.
bool same_bits(DType to, DType from) {
  return to == from ||
         (is_integral(to, false) && is_integral(from, false) && itemsize(to) == itemsize(from));
}

void copy_bytes(char* dst, const char* src, int64_t bytes) {
  const bool stream = passes_caches(bytes);
  parallel_for(bytes, kChunkBytes, [=](int64_t begin, int64_t end) {
    if (stream)
      convert_kernels().stream(dst + begin, src + begin, end - begin);
    else
      __builtin_memcpy(dst + begin, src + begin, static_cast<size_t>(end - begin));
  });
}

// The dimension along which the source is contiguous, when that is not the destination's; else -1.
int across(const Plan& plan, int64_t item) {
  if (plan.strides[0][0] != item || plan.sizes[0] < 8) return -1;
  if (plan.strides[1][0] == item || plan.strides[1][0] == 0) return -1;
  for (int d = 1; d < plan.ndim; ++d)
    if (plan.strides[1][d] == item && plan.sizes[d] >= 8) return d;
  return -1;
}

// Transposes dimension 0 with `across`, square by square, over all other dimensions.
void copy_transposed(const Plan& plan, int across, int64_t item) {
  constexpr int64_t kRows = 128, kCols = 64;  // of one task, along dimensions 0 and `across`
  const int64_t row_blocks = (plan.sizes[0] + kRows - 1) / kRows;
  const int64_t col_blocks = (plan.sizes[across] + kCols - 1) / kCols;
  int64_t tasks = row_blocks * col_blocks;
  for (int d = 1; d < plan.ndim; ++d)
    if (d != across) tasks *= plan.sizes[d];
  const bool stream = passes_caches(plan.numel() * item);
  const int64_t grain = std::max<int64_t>(1, 4 * kGrain / (kRows * kCols));
  const TransposeLoop transpose = convert_kernels().transpose[log2_size(item)];
  parallel_for(tasks, grain, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t row = task % row_blocks * kRows, rest = task / row_blocks;
      const int64_t col = rest % col_blocks * kCols;
      int64_t outer = rest / col_blocks;
      char* dst = plan.base[0] + row * item + col * plan.strides[0][across];
      const char* src = plan.base[1] + row * plan.strides[1][0] + col * item;
      for (int d = 1; d < plan.ndim; ++d) {
        if (d == across) continue;
        dst += outer % plan.sizes[d] * plan.strides[0][d];
        src += outer % plan.sizes[d] * plan.strides[1][d];
        outer /= plan.sizes[d];
      }
      transpose(dst, plan.strides[0][across], src, plan.strides[1][0],
                std::min(kRows, plan.sizes[0] - row), std::min(kCols, plan.sizes[across] - col),
                stream);
    }
  });
}

// Runs of rows, gathered where they are to lie. False where the destination has gaps.
bool copy_runs(const Plan& plan, int64_t item) {
  const Tiling tiling(plan, kGrain, INT64_MAX);
  if (!contiguous_in_tile(plan, tiling, 0, item)) return false;
  const StridedLoop gather = convert_kernels().gather[log2_size(item)];
  const int64_t grain = std::max<int64_t>(1, kGrain / (tiling.inner * tiling.block));
  parallel_for(tiling.count, grain, [&](int64_t begin, int64_t end) {
    TileCursor tile(plan, tiling, begin);
    for (int64_t t = begin; t < end; ++t, t < end ? tile.next() : void())
      gather(tile.at(0), tile.at(1), tile.sizes(), plan.strides[1], tile.ndim());
  });
  return true;
}

// Tile by tile, with a buffer in between when neither side is contiguous.
void copy_tiles(const Plan& plan, int64_t item) {
  if (copy_runs(plan, item)) return;
  constexpr int64_t kTileBytes = 8192;
  const Tiling tiling(plan, kTileBytes / item);
  const bool to_dense = contiguous_in_tile(plan, tiling, 0, item);
  const bool from_dense = contiguous_in_tile(plan, tiling, 1, item);
  const ConvertKernels& kernels = convert_kernels();
  const int size = log2_size(item);
  const int64_t grain = std::max<int64_t>(1, kGrain / (tiling.inner * tiling.block));
  parallel_for(tiling.count, grain, [&](int64_t begin, int64_t end) {
    alignas(64) char buffer[kTileBytes];
    TileCursor tile(plan, tiling, begin);
    for (int64_t t = begin; t < end; ++t, t < end ? tile.next() : void()) {
      const char* src = tile.at(1);
      if (to_dense && from_dense) {
        kernels.move(tile.at(0), src, tile.elements() * item);
        continue;
      }
      if (!from_dense) {
        char* gathered = to_dense ? tile.at(0) : buffer;
        kernels.gather[size](gathered, src, tile.sizes(), plan.strides[1], tile.ndim());
        src = gathered;
      }
      if (!to_dense)
        kernels.scatter[size](tile.at(0), src, tile.sizes(), plan.strides[0], tile.ndim());
    }
  });
}

void copy_same(Plan& plan, int64_t item) {
  plan.coalesce();
  const bool to_dense = plan.strides[0][0] == item, from_dense = plan.strides[1][0] == item;
  if (plan.ndim == 1 && to_dense && from_dense)
    return copy_bytes(plan.base[0], plan.base[1], plan.sizes[0] * item);
  const int d = across(plan, item);
  return d > 0 ? copy_transposed(plan, d, item) : copy_tiles(plan, item);
}

void cast_loop(char* const* ptrs, int64_t n, const void* params) {
  (*static_cast<const ConvertLoop*>(params))(ptrs[1], ptrs[0], n);
}

}  // namespace

void copy(Plan& plan, DType to, DType from) {
  if (same_bits(to, from)) return copy_same(plan, bytes_of(to));
  const ConvertLoop cast = convert_loop(from, to);
  Operation operation{cast_loop, &cast, 1, {to, from}, {to, from}};
  operation.any_length = true;
  execute(plan, operation);
}

void copy(const Tensor& dst, const Tensor& src) {
  if (dst.numel() == 0) return;
  if (dst.is_contiguous() && src.is_contiguous() && dst.dtype() == src.dtype() &&
      dst.numel() == src.numel())
    return copy_bytes(dst.bytes(), src.bytes(), dst.numel() * bytes_of(dst.dtype()));
  Plan plan(dst.sizes());
  plan.operands = 2;
  plan.set(0, dst);
  plan.set(1, src);
  plan.order(0);
  copy(plan, dst.dtype(), src.dtype());
}

void fill(const Tensor& dst, const Scalar& value) {
  if (dst.numel() == 0) return;
  alignas(16) char element[16];
  value.store(element, dst.dtype());
  const int64_t item = bytes_of(dst.dtype());
  const FillLoop fill_loop = convert_kernels().fill[log2_size(item)];
  if (dst.impl()->dense()) {
    char* const base = dst.bytes();
    return parallel_for(dst.numel(), kGrain, [&](int64_t begin, int64_t end) {
      fill_loop(base + begin * item, element, end - begin);
    });
  }
  const Tensor source = scalar_tensor(value, dst.dtype());
  copy(dst, source);
}

}  // namespace flambeau::inline v1::cpu
