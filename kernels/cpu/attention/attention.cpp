// Attention by tiles: products of queries and keys are never kept but for one tile of each thread.

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <type_traits>
#include <vector>

#include "core/parallel/isa.h"
#include "core/parallel/parallel.h"
#include "kernels/cpu/attention/attention_kernels.h"
#include "kernels/cpu/matmul/gemm/product.h"
#include "kernels/cpu/pointwise/packed.h"

namespace flambeau::inline v1::cpu {
namespace baseline {
extern const AllAttentionKernels attention_kernels;
}
namespace avx2 {
extern const AllAttentionKernels attention_kernels;
}
namespace avx512 {
extern const AllAttentionKernels attention_kernels;
}

namespace {

// Queries and keys of a tile; a multiple of the rows that the product's kernel takes at a time.
constexpr int64_t kQueries = 112, kKeys = 128;
// From so many heads on, each is a task of its own, which packs its keys and values.
constexpr int64_t kManyHeads = 8;

template <class T>
const AttentionKernels<T>& kernels_of() {
  static const AllAttentionKernels& all =
      of_isa(baseline::attention_kernels, avx2::attention_kernels, avx512::attention_kernels);
  if constexpr (std::is_same_v<T, double>)
    return all.f64;
  else
    return all.f32;
}

struct Sizes {
  int64_t batch, heads, key_heads, queries, keys, width, value_width;
  int64_t group() const { return heads / key_heads; }
  int64_t key_blocks() const { return ceil_div(keys, kKeys); }
  int64_t query_blocks() const { return ceil_div(queries, kQueries); }
  int64_t keys_of(int64_t j) const { return std::min(kKeys, keys - j * kKeys); }
  int64_t queries_of(int64_t i) const { return std::min(kQueries, queries - i * kQueries); }
};

Sizes sizes_of(const Tensor& query, const Tensor& key, const Tensor& value) {
  const IntSpan q = query.sizes(), k = key.sizes();
  return {q[0], q[1], k[1], q[2], k[2], q[3], value.sizes()[3]};
}

// A tensor in the compute type whose rows have no gaps.
template <class T>
struct Heads {
  Tensor held;
  const T* data;
  int64_t batch, head, row;

  explicit Heads(const Tensor& t) {
    const DType dtype = std::is_same_v<T, double> ? DType::float64 : DType::float32;
    const IntSpan sizes = t.sizes(), strides = t.strides();
    held = t.dtype() == dtype && (strides[3] == 1 || sizes[3] == 1) ? t : packed(t, dtype);
    data = held.template data<T>();
    batch = held.strides()[0];
    head = held.strides()[1];
    row = held.strides()[2];
  }
  const T* at(int64_t b, int64_t h, int64_t i) const {
    return data + b * batch + h * head + i * row;
  }
};

// What is added to scores: a mask in the compute type, in its own shape, seen in all dimensions.
template <class T>
struct Mask {
  Tensor held;
  const T* data = nullptr;
  int64_t strides[4] = {};

  explicit Mask(const Tensor& t) {
    if (!t.defined()) return;
    const DType dtype = std::is_same_v<T, double> ? DType::float64 : DType::float32;
    if (t.dtype() == DType::boolean) {
      const Tensor chosen = packed(t, DType::boolean);
      held = empty(t.sizes(), {dtype, t.device()});
      const auto* const from = reinterpret_cast<const uint8_t*>(chosen.bytes());
      T* const to = held.template data<T>();
      for (int64_t i = 0; i < t.numel(); ++i)
        to[i] = from[i] ? T(0) : -std::numeric_limits<T>::infinity();
    } else {
      held = t.dtype() == dtype && narrow(t) ? t : packed(t, dtype);
    }
    data = held.template data<T>();
    const int64_t ahead = 4 - held.dim();
    for (int64_t d = 0; d < held.dim(); ++d)
      strides[ahead + d] = held.sizes()[d] == 1 ? 0 : held.strides()[d];
  }
  const T* at(int64_t b, int64_t h, int64_t i, int64_t j) const {
    return data ? data + b * strides[0] + h * strides[1] + i * strides[2] + j * strides[3]
                : nullptr;
  }

 private:
  // Neighbours in a row lie side by side, or are one.
  static bool narrow(const Tensor& t) {
    if (t.dim() == 0) return true;
    const int64_t d = t.dim() - 1;
    return t.sizes()[d] == 1 || t.strides()[d] == 1 || t.strides()[d] == 0;
  }
};

// A right operand, `cols` x `depth`, packed step by step.
struct Packing {
  const GemmKernels& f;
  int64_t cols, depth;
  GemmSteps steps;

  Packing(const GemmKernels& kernels, int64_t n, int64_t k)
      : f(kernels), cols(n), depth(k), steps(kernels, k) {}
  int64_t step_bytes() const { return packed_b_bytes(f, cols, steps.depth); }
  int64_t bytes() const { return step_bytes() * steps.count; }
  template <class T>
  void pack(const T* b, int64_t col_stride, int64_t k_stride, char* to) const {
    for (int64_t s = 0; s < steps.count; ++s)
      f.pack_b(b + s * steps.depth * k_stride, col_stride, k_stride, false, cols,
               steps.depth_of(s, depth), to + s * step_bytes());
  }
  // c (+)= a b for the first `n` columns.
  template <class T>
  void multiply(int64_t m, int64_t n, const T* a, int64_t row_stride, int64_t k_stride,
                const char* b, T* c, int64_t ld, bool add) const {
    GemmProblem p;
    p.kernels = &f;
    p.m = m;
    p.n = n;
    p.k = depth;
    p.a = {reinterpret_cast<const char*>(a), row_stride, k_stride, false};
    GemmOutput out;
    out.c = reinterpret_cast<char*>(c);
    out.row_stride = ld;
    out.col_stride = 1;
    out.beta = add ? 1 : 0;
    out.plain = !add;
    GemmTask task;
    task.rows = m;
    task.cols = n;
    task.depth = depth;
    task.packed_b = b;
    task.packed_b_step = step_bytes();
    multiply_block(p, task, out);
  }
};

template <class T>
GemmType gemm_type() {
  return std::is_same_v<T, double> ? GemmType::f64 : GemmType::f32;
}

// rows x n in the compute type, to rows of `out` at (b, h, i).
template <class T>
void put(const Tensor& out, int64_t b, int64_t h, int64_t i, const T* from, int64_t rows,
         int64_t n) {
  const DType dtype = std::is_same_v<T, double> ? DType::float64 : DType::float32;
  const IntSpan strides = out.strides();
  const auto item = static_cast<int64_t>(out.itemsize());
  char* to = out.bytes() + (b * strides[0] + h * strides[1] + i * strides[2]) * item;
  for (int64_t r = 0; r < rows; ++r, to += strides[2] * item, from += n)
    convert(out.dtype(), to, dtype, from, n);
}

constexpr int64_t kAll = std::numeric_limits<int64_t>::max() / 4;

template <class T>
struct Forward {
  const Sizes s;
  const Heads<T> q, k, v;
  const Mask<T> mask;
  const Tensor &out, &lse;
  T scale;
  bool causal;
  const AttentionKernels<T>& tiles = kernels_of<T>();
  const GemmKernels& f = gemm_kernels(gemm_type<T>());
  int64_t key_bytes = Packing(f, kKeys, s.width).bytes();
  int64_t value_bytes = Packing(f, s.value_width, kKeys).bytes();

  int64_t block_bytes() const { return key_bytes + value_bytes; }

  void pack(int64_t b, int64_t h, int64_t j, char* to) const {
    const int64_t n = s.keys_of(j);
    Packing(f, n, s.width).pack(k.at(b, h, j * kKeys), k.row, 1, to);
    Packing(f, s.value_width, n).pack(v.at(b, h, j * kKeys), 1, v.row, to + key_bytes);
  }

  // The queries of block i of one head.
  void block(int64_t b, int64_t h, int64_t i, const char* blocks) const {
    const int64_t rows = s.queries_of(i), from = i * kQueries;
    const int64_t scores_n = rows * kKeys, acc_n = rows * s.value_width;
    const Scratch scratch((scores_n + acc_n + 3 * rows) * static_cast<int64_t>(sizeof(T)));
    T *const scores = reinterpret_cast<T*>(scratch.data()), *const acc = scores + scores_n,
             *const most = acc + acc_n, *const sum = most + rows, *const logs = sum + rows;
    for (int64_t j = 0; j < s.key_blocks(); ++j, blocks += block_bytes()) {
      const int64_t to = j * kKeys, n = s.keys_of(j);
      if (causal && to >= from + rows) break;
      const int64_t seen = causal ? std::min(n, from + rows - to) : n;
      Packing(f, n, s.width)
          .multiply(rows, seen, q.at(b, h, from), q.row, 1, blocks, scores, kKeys, false);
      tiles.softmax({scores, rows, n, kKeys, scale, mask.at(b, h, from, to), mask.strides[2],
                     mask.strides[3], causal ? from + 1 - to : kAll},
                    j == 0, most, sum, acc, s.value_width);
      Packing(f, s.value_width, n)
          .multiply(rows, s.value_width, scores, kKeys, 1, blocks + key_bytes, acc, s.value_width,
                    j > 0);
    }
    tiles.finish(acc, rows, s.value_width, most, sum, logs);
    put(out, b, h, from, acc, rows, s.value_width);
    const IntSpan steps = lse.strides();
    T* const kept = lse.data<T>() + b * steps[0] + h * steps[1] + from * steps[2];
    for (int64_t r = 0; r < rows; ++r) kept[r * steps[2]] = logs[r];
  }

  void run() const {
    const int64_t all = s.batch * s.key_heads, blocks = s.key_blocks();
    const int64_t head_bytes = blocks * block_bytes();
    if (all >= kManyHeads) {
      return parallel_tasks(all, [&](int64_t t) {
        const int64_t b = t / s.key_heads, h = t % s.key_heads;
        const Scratch scratch(head_bytes);
        for (int64_t j = 0; j < blocks; ++j) pack(b, h, j, scratch.data() + j * block_bytes());
        for (int64_t g = 0; g < s.group(); ++g)
          for (int64_t i = 0; i < s.query_blocks(); ++i)
            block(b, h * s.group() + g, i, scratch.data());
      });
    }
    const Scratch scratch(all * head_bytes);
    parallel_tasks(all * blocks, [&](int64_t t) {
      const int64_t head = t / blocks, j = t % blocks;
      pack(head / s.key_heads, head % s.key_heads, j, scratch.data() + t * block_bytes());
    });
    parallel_tasks(s.batch * s.heads * s.query_blocks(), [&](int64_t t) {
      const int64_t head = t / s.query_blocks(), b = head / s.heads, h = head % s.heads;
      block(b, h, t % s.query_blocks(),
            scratch.data() + (b * s.key_heads + h / s.group()) * head_bytes);
    });
  }
};

template <class T>
struct Backward {
  const Sizes s;
  const Heads<T> q, k, v, g, o;
  const Mask<T> mask;
  const Tensor &lse, &to_query, &to_key, &to_value;
  T scale;
  bool causal;
  const AttentionKernels<T>& tiles = kernels_of<T>();
  const GemmKernels& f = gemm_kernels(gemm_type<T>());

  // Key and value head h with all query heads that look at it.
  void head(int64_t b, int64_t h) const {
    const int64_t w = s.width, vw = s.value_width, tile = kQueries * kKeys;
    // Packed: keys and values as columns, keys as rows; then gradients and queries as rows.
    const int64_t key_bytes = Packing(f, kKeys, w).bytes();
    const int64_t value_bytes = Packing(f, kKeys, vw).bytes();
    const int64_t row_bytes = Packing(f, w, kKeys).bytes();
    const int64_t block_bytes = key_bytes + value_bytes + row_bytes;
    const int64_t grad_bytes = Packing(f, vw, kQueries).bytes();
    const int64_t query_bytes = Packing(f, w, kQueries).bytes();
    const int64_t pair_bytes = grad_bytes + query_bytes;
    const int64_t packed = s.key_blocks() * block_bytes + s.query_blocks() * pair_bytes;
    const int64_t numbers = 2 * tile + s.keys * (w + vw) + s.queries * (w + 2);
    const Scratch scratch(packed + numbers * static_cast<int64_t>(sizeof(T)));
    char *const blocks = scratch.data(), *const pairs = blocks + s.key_blocks() * block_bytes;
    T *const scores = reinterpret_cast<T*>(scratch.data() + packed), *const grads = scores + tile;
    T *const dk = grads + tile, *const dv = dk + s.keys * w, *const dq = dv + s.keys * vw;
    T *const dots = dq + s.queries * w, *const logs = dots + s.queries;
    for (int64_t j = 0; j < s.key_blocks(); ++j) {
      char* const to = blocks + j * block_bytes;
      const int64_t n = s.keys_of(j);
      Packing(f, n, w).pack(k.at(b, h, j * kKeys), k.row, 1, to);
      Packing(f, n, vw).pack(v.at(b, h, j * kKeys), v.row, 1, to + key_bytes);
      Packing(f, w, n).pack(k.at(b, h, j * kKeys), 1, k.row, to + key_bytes + value_bytes);
    }
    std::fill(dk, dq, T(0));
    for (int64_t each = 0; each < s.group(); ++each) {
      const int64_t head = h * s.group() + each;
      std::fill(dq, dots, T(0));
      tiles.dots(dots, g.at(b, head, 0), g.row, o.at(b, head, 0), o.row, s.queries, vw);
      const IntSpan steps = lse.strides();
      const T* const kept = lse.data<T>() + b * steps[0] + head * steps[1];
      for (int64_t r = 0; r < s.queries; ++r) logs[r] = kept[r * steps[2]];
      for (int64_t i = 0; i < s.query_blocks(); ++i) {
        char* const to = pairs + i * pair_bytes;
        const int64_t m = s.queries_of(i);
        Packing(f, vw, m).pack(g.at(b, head, i * kQueries), 1, g.row, to);
        Packing(f, w, m).pack(q.at(b, head, i * kQueries), 1, q.row, to + grad_bytes);
      }
      for (int64_t j = 0; j < s.key_blocks(); ++j)
        for (int64_t i = 0; i < s.query_blocks(); ++i) {
          const int64_t from = i * kQueries, to = j * kKeys;
          const int64_t m = s.queries_of(i), n = s.keys_of(j);
          if (causal && to >= from + m) continue;
          const int64_t seen = causal ? std::min(n, from + m - to) : n;
          const char *const block = blocks + j * block_bytes, *const pair = pairs + i * pair_bytes;
          Packing(f, n, w).multiply(m, seen, q.at(b, head, from), q.row, 1, block, scores, kKeys,
                                    false);
          Packing(f, n, vw).multiply(m, seen, g.at(b, head, from), g.row, 1, block + key_bytes,
                                     grads, kKeys, false);
          tiles.gradient({scores, m, n, kKeys, scale, mask.at(b, head, from, to), mask.strides[2],
                          mask.strides[3], causal ? from + 1 - to : kAll},
                         grads, logs + from, dots + from);
          Packing(f, vw, m).multiply(seen, vw, scores, 1, kKeys, pair, dv + to * vw, vw, true);
          Packing(f, w, m).multiply(seen, w, grads, 1, kKeys, pair + grad_bytes, dk + to * w, w,
                                    true);
          Packing(f, w, n).multiply(m, w, grads, kKeys, 1, block + key_bytes + value_bytes,
                                    dq + from * w, w, true);
        }
      put(to_query, b, head, 0, dq, s.queries, w);
    }
    put(to_key, b, h, 0, dk, s.keys, w);
    put(to_value, b, h, 0, dv, s.keys, vw);
  }

  void run() const {
    parallel_tasks(s.batch * s.key_heads,
                   [&](int64_t t) { head(t / s.key_heads, t % s.key_heads); });
  }
};

template <class F>
void by_type(DType dtype, F&& f) {
  if (dtype == DType::float64)
    f(double{});
  else
    f(float{});
}

double scale_of(std::optional<double> scale, int64_t width) {
  return scale ? *scale : 1 / std::sqrt(static_cast<double>(width));
}

}  // namespace

void _scaled_dot_product_flash_attention_for_cpu(const Tensor& output, const Tensor& logsumexp,
                                                 const Tensor& query, const Tensor& key,
                                                 const Tensor& value, double, bool is_causal,
                                                 const Tensor& attn_mask,
                                                 std::optional<double> scale) {
  const Sizes s = sizes_of(query, key, value);
  if (output.numel() == 0 || s.keys == 0) {
    if (output.numel() != 0) fill(output, 0);
    if (logsumexp.numel() != 0) fill(logsumexp, -std::numeric_limits<double>::infinity());
    return;
  }
  by_type(query.dtype(), [&](auto zero) {
    using T = decltype(zero);
    Forward<T>{s,
               Heads<T>(query),
               Heads<T>(key),
               Heads<T>(value),
               Mask<T>(attn_mask),
               output,
               logsumexp,
               static_cast<T>(scale_of(scale, s.width)),
               is_causal}
        .run();
  });
}

void _scaled_dot_product_flash_attention_for_cpu_backward(
    const Tensor& grad_query, const Tensor& grad_key, const Tensor& grad_value,
    const Tensor& grad_out, const Tensor& query, const Tensor& key, const Tensor& value,
    const Tensor& out, const Tensor& logsumexp, double, bool is_causal, const Tensor& attn_mask,
    std::optional<double> scale) {
  const Sizes s = sizes_of(query, key, value);
  if (grad_out.numel() == 0 || s.keys == 0) {
    for (const Tensor* t : {&grad_query, &grad_key, &grad_value})
      if (t->numel() != 0) fill(*t, 0);
    return;
  }
  by_type(query.dtype(), [&](auto zero) {
    using T = decltype(zero);
    Backward<T>{s,
                Heads<T>(query),
                Heads<T>(key),
                Heads<T>(value),
                Heads<T>(grad_out),
                Heads<T>(out),
                Mask<T>(attn_mask),
                logsumexp,
                grad_query,
                grad_key,
                grad_value,
                static_cast<T>(scale_of(scale, s.width)),
                is_causal}
        .run();
  });
}

}  // namespace flambeau::inline v1::cpu
