// Tensors of layout sparse_coo on the CPU: what they consist of, and what their ops share.
#pragma once

#include <memory>

#include "core/dispatch/op.h"

namespace flambeau::inline v1::sparse {

// Where there are elements, and what they are. All the others are zero; a place that is named more
// than once has the sum. The first dimensions of the tensor are sparse, those behind them dense.
struct Coo final : Payload {
  Coo(Tensor places, Tensor elements, bool in_order)
      : indices(std::move(places)), values(std::move(elements)), coalesced(in_order) {}
  std::unique_ptr<Payload> shared() const override { return std::make_unique<Coo>(*this); }

  int64_t sparse_dim() const { return indices.sizes()[0]; }
  int64_t dense_dim() const { return values.dim() - 1; }
  int64_t nnz() const { return indices.sizes()[1]; }

  Tensor indices;        // int64, (sparse_dim, nnz)
  Tensor values;         // (nnz, dense sizes)
  bool coalesced;        // every place once, in row-major order
  bool is_part = false;  // selected from another one, of which it is no view
};

inline bool is_coo(const Tensor& t) { return t.defined() && t.layout() == Layout::sparse_coo; }

// What a tensor of the layout consists of; NotImplementedError where a package brought it.
Coo& coo_of(const char* op, const Tensor& t);
// The same; RuntimeError where it has another layout.
const Coo& expect_coo(const char* op, const Tensor& t);

// Nothing of this is checked.
Tensor make(IntSpan sizes, Tensor indices, Tensor values, bool coalesced);
// With the places of another one.
Tensor with_values(const Tensor& like, Tensor values, bool coalesced);
Tensor without_elements(IntSpan sizes, int64_t sparse_dim, DType dtype);

inline IntSpan sparse_sizes(const Tensor& t, const Coo& of) {
  return t.sizes().first(static_cast<size_t>(of.sparse_dim()));
}
inline IntSpan dense_sizes(const Tensor& t, const Coo& of) {
  return t.sizes().subspan(static_cast<size_t>(of.sparse_dim()));
}

// Where each element stands among the sparse dimensions in row-major order, as a vector; an error
// that names the op where an index is none of `sizes`. The reverse of it.
Tensor flat_places(const char* op, const Tensor& indices, IntSpan sizes);
Tensor places_of(const Tensor& flat, IntSpan sizes);
// Whether they are the same memory.
bool same_places(const Tensor& a, const Tensor& b);

// Every place once and in order: the tensor itself where it is so.
Tensor in_order(const char* op, const Tensor& t);
Tensor dense_of(const char* op, const Tensor& t);
// self += alpha * other, of a strided tensor and a sparse one of its shape.
void add_into(const char* op, const Tensor& self, const Tensor& other, const Scalar& alpha);
// The elements of a tensor of either layout at these places, one row for each.
Tensor elements_at(const char* op, const Tensor& t, const Tensor& indices);
Tensor from_dense(const Tensor& t, int64_t sparse_dim);

// The sparse tensor takes what another one consists of.
void take(const Tensor& self, const Tensor& from);

}  // namespace flambeau::inline v1::sparse
