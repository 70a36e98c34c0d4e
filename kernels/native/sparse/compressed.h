// Tensors of layouts sparse_csr and sparse_csc: matrices whose rows, or columns, lie one behind the
// other. Their ops are those of the same tensor as sparse_coo.
#pragma once

#include "kernels/native/sparse/coo.h"

namespace flambeau::inline v1::sparse {

// The elements of row (of column) i are those from compressed[i] to compressed[i + 1], in the
// columns (the rows) that `plain` names.
struct Compressed final : Payload {
  Compressed(Tensor ends, Tensor places, Tensor elements)
      : compressed(std::move(ends)), plain(std::move(places)), values(std::move(elements)) {}
  std::unique_ptr<Payload> shared() const override { return std::make_unique<Compressed>(*this); }

  Tensor compressed;  // (rows + 1) integers
  Tensor plain;       // nnz integers of the same dtype
  Tensor values;      // (nnz, dense sizes)
};

inline bool is_compressed(const Tensor& t) {
  return t.defined() && (t.layout() == Layout::sparse_csr || t.layout() == Layout::sparse_csc);
}

// What a tensor of the layout consists of; RuntimeError where it has another one.
Compressed& parts_of(const char* op, const Tensor& t);
Tensor make_compressed(Layout layout, IntSpan sizes, Tensor compressed, Tensor plain,
                       Tensor values);
// RuntimeError unless these are parts of a tensor of such sizes.
void check_compressed(const char* op, Layout layout, IntSpan sizes, const Tensor& compressed,
                      const Tensor& plain, const Tensor& values);

Tensor as_coo(const char* op, const Tensor& t);
Tensor as_compressed(const char* op, const Tensor& coo, Layout layout);

}  // namespace flambeau::inline v1::sparse
