// Kernels of reading and writing at places that tensors name. Functions whose name ends in _into
// change their first argument; the others write an allocated result.
#pragma once

#include <string_view>
#include <vector>

#include "core/tensor/tensor.h"

namespace flambeau::inline v1::cpu {

// ---- one index along a dimension

void gather(const Tensor& result, const Tensor& self, int64_t dim, const Tensor& index);
void index_select(const Tensor& result, const Tensor& self, int64_t dim, const Tensor& index);
void index_add_into(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source,
                    const Scalar& alpha);
void index_add(const Tensor& result, const Tensor& self, int64_t dim, const Tensor& index,
               const Tensor& source, const Scalar& alpha);

enum class Scatter : uint8_t { write, add, multiply };
Scatter scatter_kind(std::string_view reduce);
void scatter_into(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src,
                  Scatter kind);
void scatter_value_into(const Tensor& self, int64_t dim, const Tensor& index, const Scalar& value,
                        Scatter kind);
void scatter(const Tensor& result, const Tensor& self, int64_t dim, const Tensor& index,
             const Tensor& src);
void scatter_value(const Tensor& result, const Tensor& self, int64_t dim, const Tensor& index,
                   const Scalar& value);
void scatter_reduce(const Tensor& result, const Tensor& self, int64_t dim, const Tensor& index,
                    const Tensor& src, std::string_view reduce);
void scatter_value_reduce(const Tensor& result, const Tensor& self, int64_t dim,
                          const Tensor& index, const Scalar& value, std::string_view reduce);
void scatter_add(const Tensor& result, const Tensor& self, int64_t dim, const Tensor& index,
                 const Tensor& src);

// ---- an index for each of several dimensions

// The reading of `self[i, :, j]`: which dimension each index is for, and the result's geometry.
struct AdvancedIndex {
  Dims dims;                    // of self, one for each index
  std::vector<Tensor> indices;  // integers
  Dims index_sizes;             // what the indices broadcast to
  Dims result_sizes;
  int64_t place = 0;  // the result's dimension at which index_sizes begin
};
// Whether the one index is a mask of all elements, for which there are shorter ways.
bool is_full_mask(const Tensor& self, TensorSpan indices);
// Masks are made indices. IndexError as PyTorch.
AdvancedIndex advanced_index(const char* op, const Tensor& self, TensorSpan indices);
void index(const char* op, const Tensor& result, const Tensor& self, const AdvancedIndex& at);
void index_put(const Tensor& self, TensorSpan indices, const Tensor& values, bool accumulate);

// ---- masks

void masked_fill_into(const Tensor& self, const Tensor& mask, const Scalar& value);
void masked_fill(const Tensor& result, const Tensor& self, const Tensor& mask, const Scalar& value);
void masked_fill_tensor(const Tensor& result, const Tensor& self, const Tensor& mask,
                        const Tensor& value);
void masked_fill_tensor_into(const Tensor& self, const Tensor& mask, const Tensor& value);
Tensor masked_select(const Tensor& self, const Tensor& mask);
Tensor nonzero(const Tensor& self);  // a row for each; the columns are contiguous

// ---- rows of a table

void embedding(const Tensor& result, const Tensor& weight, const Tensor& indices);
// The sum (0), mean (1) or maximum (2) of the rows of each bag, the bag of each index, how many
// indices without padding a bag has, and of maxima the rows that they come from (-1: none).
void embedding_bag(const Tensor& result, const Tensor& bag_of, const Tensor& sizes,
                   const Tensor& places, const Tensor& weight, const Tensor& indices,
                   const Tensor& offsets, int64_t mode, const Tensor& factors, int64_t padding_idx);
void embedding_backward(const Tensor& result, const Tensor& grad_output, const Tensor& indices,
                        int64_t padding_idx, bool scale_grad_by_freq);

}  // namespace flambeau::inline v1::cpu
