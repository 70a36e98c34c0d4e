// Making sparse tensors of their parts, and asking for these.

#include "core/autograd/node.h"
#include "flambeau/kernels/sparse.h"
#include "flambeau/kernels/views.h"
#include "flambeau/ops/to.h"
#include "kernels/native/sparse/compressed.h"
#include "kernels/native/sparse/coo.h"
#include "kernels/native/sparse/ops.h"

namespace flambeau::inline v1::native {

using namespace sparse;

namespace {

void check_on_cpu(const char* op, Device device) {
  check<NotImplementedError>(device.is_cpu(), op, ": not supported on device '", device.str(),
                             "': sparse tensors are the CPU's; move it with .to(\"cpu\") first");
}

// What a sparse tensor holds has no history of its own.
Tensor plain(const Tensor& t) { return t.impl()->autograd ? flambeau::detach(t) : t; }

}  // namespace

Tensor _sparse_coo_tensor_with_dims_and_tensors(int64_t sparse_dim, int64_t dense_dim, IntSpan size,
                                                const Tensor& indices, const Tensor& values,
                                                std::optional<DType> dtype, std::optional<Layout>,
                                                std::optional<Device> device,
                                                std::optional<bool> pin_memory,
                                                std::optional<bool> is_coalesced) {
  constexpr const char* op = "sparse_coo_tensor";
  check<NotImplementedError>(!pin_memory.value_or(false), op, ": pin_memory=True is not supported");
  for (const Device d : {indices.device(), values.device(), device.value_or(Device{})})
    check_on_cpu(op, d);
  check(indices.layout() == Layout::strided && values.layout() == Layout::strided, op,
        ": indices and values must be strided, got torch.", layout_name(indices.layout()), " and ",
        "torch.", layout_name(values.layout()));
  check(indices.dim() == 2, op,
        ": indices must be sparse_dim x nnz, but got: ", show(indices.sizes()));
  check(is_integral(indices.dtype(), false), op, ": indices must be an int64 tensor, got ",
        dtype_name(indices.dtype()));
  check(sparse_dim >= 0 && dense_dim >= 0 &&
            static_cast<int64_t>(size.size()) == sparse_dim + dense_dim,
        op, ": 'len(size) == sparse_dim + dense_dim' is not satisfied: len(size) = ", size.size(),
        ", sparse_dim = ", sparse_dim, ", dense_dim = ", dense_dim);
  check(indices.sizes()[0] == sparse_dim, op, ": indices has incorrect first dimension, expected ",
        sparse_dim, ", got ", indices.sizes()[0]);
  check(values.dim() == dense_dim + 1, op, ": values has incorrect number of dimensions, expected ",
        dense_dim + 1, ", got ", values.dim());
  check(values.sizes()[0] == indices.sizes()[1], op,
        ": indices and values must have same nnz, but got nnz from indices: ", indices.sizes()[1],
        ", nnz from values: ", values.sizes()[0]);
  for (const int64_t n : size)
    check(n >= 0, op, ": trying to create a tensor of negative size ", n, ": ", show(size));
  Dims each{indices.sizes()[1]};
  for (const int64_t n : size.subspan(static_cast<size_t>(sparse_dim))) each.push_back(n);
  check(same(values.sizes(), each), op, ": values has incorrect size, expected ", show(each),
        ", got ", show(values.sizes()));
  return make(size, plain(ops::to(indices, DType::int64)),
              plain(dtype ? ops::to(values, *dtype) : values), is_coalesced.value_or(false));
}

Tensor _coo_like(const Tensor& self, const Tensor& values) {
  if (is_compressed(self)) {
    const Compressed& of = parts_of("_coo_like", self);
    check(values.layout() == Layout::strided && same(values.sizes(), of.values.sizes()),
          "_coo_like: expected values of shape ", show(of.values.sizes()), ", got ",
          show(values.sizes()));
    return make_compressed(self.layout(), self.sizes(), of.compressed, of.plain, plain(values));
  }
  const Coo& of = expect_coo("_coo_like", self);
  check_on_cpu("_coo_like", values.device());
  Dims each{of.nnz()};
  for (const int64_t n : dense_sizes(self, of)) each.push_back(n);
  check(values.layout() == Layout::strided && same(values.sizes(), each),
        "_coo_like: expected values of shape ", show(each), ", got ", show(values.sizes()));
  return with_values(self, plain(values), of.coalesced);
}

Tensor _elements_at(const Tensor& self, const Tensor& indices) {
  if (is_compressed(self)) return _elements_at(as_coo("_elements_at", self), indices);
  check_on_cpu("_elements_at", self.device());
  check_on_cpu("_elements_at", indices.device());
  check(indices.dim() == 2 && indices.dtype() == DType::int64 && indices.sizes()[0] <= self.dim() &&
            indices.layout() == Layout::strided,
        "_elements_at: expected int64 indices of shape [dimensions, n], got ",
        show(indices.sizes()));
  return elements_at("_elements_at", self, indices);
}

// Handles of their own: nobody's gradients, and yet the memory of the parts.
Tensor _indices(const Tensor& self) {
  return flambeau::detach(expect_coo("_indices", self).indices);
}
Tensor _values(const Tensor& self) {
  if (is_compressed(self)) return flambeau::detach(parts_of("_values", self).values);
  return flambeau::detach(expect_coo("_values", self).values);
}

Tensor indices(const Tensor& self) {
  const Coo& of = expect_coo("indices", self);
  check(of.coalesced,
        "indices: Cannot get indices on an uncoalesced tensor, please call .coalesce() first");
  return flambeau::detach(of.indices);
}

Tensor values(const Tensor& self) {
  if (is_compressed(self)) return flambeau::detach(parts_of("values", self).values);
  const Coo& of = expect_coo("values", self);
  check(of.coalesced,
        "values: Cannot get values on an uncoalesced tensor, please call .coalesce() first");
  return flambeau::detach(of.values);
}

int64_t sparse_dim(const Tensor& self) {
  if (is_compressed(self)) return 2;
  return is_coo(self) ? coo_of("sparse_dim", self).sparse_dim() : 0;
}
int64_t dense_dim(const Tensor& self) { return self.dim() - sparse_dim(self); }
int64_t _nnz(const Tensor& self) {
  if (is_compressed(self)) return parts_of("_nnz", self).plain.numel();
  return expect_coo("_nnz", self).nnz();
}
bool is_coalesced(const Tensor& self) { return expect_coo("is_coalesced", self).coalesced; }

void _coalesced_(const Tensor& self, bool coalesced) {
  expect_coo("_coalesced_", self);
  coo_of("_coalesced_", self).coalesced = coalesced;
  bump_version(self);
}

Tensor _coalesce(const Tensor& self) {
  const Coo& of = expect_coo("coalesce", self);
  // Below autograd a result is a tensor of its own.
  return of.coalesced ? with_values(self, of.values, true) : in_order("coalesce", self);
}

Tensor _to_dense(const Tensor& self, std::optional<DType> dtype, std::optional<bool>) {
  if (!is_compressed(self)) expect_coo("to_dense", self);
  const Tensor coo = is_compressed(self) ? as_coo("to_dense", self) : self;
  const Tensor made = dense_of("to_dense", coo);
  return dtype ? ops::to(made, *dtype) : made;
}

Tensor _to_sparse(const Tensor& self, int64_t sparse_dim) {
  check_on_cpu("to_sparse", self.device());
  if (is_compressed(self)) {
    check(sparse_dim == 2, "to_sparse: conversion from torch.", layout_name(self.layout()),
          " gives 2 sparse dimensions, got sparse_dim=", sparse_dim);
    return as_coo("to_sparse", self);
  }
  check(self.layout() == Layout::strided, "to_sparse: conversion from torch.",
        layout_name(self.layout()), " to torch.sparse_coo is not supported");
  check(sparse_dim >= 0 && sparse_dim <= self.dim() && (sparse_dim > 0 || self.dim() == 0),
        "to_sparse: sparse_dim must be in [1, ", self.dim(), "], got ", sparse_dim);
  return from_dense(self, sparse_dim);
}

Tensor sparse_mask(const Tensor& self, const Tensor& mask) {
  const Coo& of = expect_coo("sparse_mask", mask);
  if (is_compressed(self)) return sparse_mask(as_coo("sparse_mask", self), mask);
  check_on_cpu("sparse_mask", self.device());
  check(same(self.sizes(), mask.sizes()),
        "sparse_mask: operands have incompatible sizes; self has size ", show(self.sizes()),
        " but mask has size ", show(mask.sizes()));
  return with_values(mask, elements_at("sparse_mask", self, of.indices), of.coalesced);
}

// ---- products and sums with gradients where there are elements

Tensor _sparse_addmm(const Tensor& self, const Tensor& mat1, const Tensor& mat2, const Scalar& beta,
                     const Scalar& alpha) {
  constexpr const char* op = "_sparse_addmm";
  expect_coo(op, mat1);
  check_on_cpu(op, self.device());
  check_on_cpu(op, mat2.device());
  check(self.layout() == Layout::strided && mat2.layout() == Layout::strided, op,
        ": mat1 is sparse, self and mat2 have to be strided, got torch.",
        layout_name(self.layout()), " and torch.", layout_name(mat2.layout()));
  return added_product(op, self, mat1, mat2, beta, alpha);
}

Tensor _sparse_sparse_matmul(const Tensor& self, const Tensor& other) {
  expect_coo("_sparse_sparse_matmul", self);
  expect_coo("_sparse_sparse_matmul", other);
  return product("_sparse_sparse_matmul", self, other);
}

Tensor _sparse_sum_dim(const Tensor& self, IntSpan dim) {
  expect_coo("_sparse_sum", self);
  return summed("_sparse_sum", self, dim, false, self.dtype());
}

Tensor _sparse_sum_backward(const Tensor& grad, const Tensor& self, IntSpan dim) {
  constexpr const char* op = "_sparse_sum_backward";
  expect_coo(op, self);
  check_on_cpu(op, grad.device());
  const Tensor places = in_order(op, self);
  return with_values(places, spread(op, grad, places, dim), true);
}

}  // namespace flambeau::inline v1::native
