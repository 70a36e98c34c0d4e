// Geometry of views: each gives an alias of its input; the entry records base and history.

#include "flambeau/kernels/views.h"

#include "flambeau/kernels/rearrange.h"
#include "flambeau/ops/_conj.h"
#include "flambeau/ops/_neg_view.h"
#include "flambeau/ops/_reshape_alias.h"
#include "flambeau/ops/_unsafe_view.h"
#include "flambeau/ops/clone.h"
#include "flambeau/ops/conj.h"
#include "flambeau/ops/contiguous.h"
#include "flambeau/ops/expand.h"
#include "flambeau/ops/mH.h"
#include "flambeau/ops/reshape.h"
#include "flambeau/ops/select.h"
#include "flambeau/ops/view.h"
#include "flambeau/ops/view_as_real.h"

namespace flambeau::inline v1::native {
namespace {

// Strides under which a new shape is a view, or nothing: runs of dimensions that are contiguous
// among themselves can be split and joined freely.
std::optional<Dims> view_strides(const Tensor& self, IntSpan shape) {
  if (self.numel() == 0) return contiguous_strides(shape);
  const IntSpan sizes = self.sizes(), strides = self.strides();
  Dims out(shape.size(), 0);
  int64_t d = static_cast<int64_t>(shape.size()) - 1;
  int64_t base_stride = sizes.empty() ? 1 : strides.back();
  int64_t run = 1, taken = 1;
  for (int64_t i = static_cast<int64_t>(sizes.size()) - 1; i >= 0; --i) {
    run *= sizes[i];
    const bool ends = i == 0 || (sizes[i - 1] != 1 && strides[i - 1] != run * base_stride);
    if (!ends) continue;
    while (d >= 0 && (taken < run || shape[d] == 1)) {
      out[d] = taken * base_stride;
      taken *= shape[d];
      --d;
    }
    if (taken != run) return std::nullopt;
    if (i > 0) {
      base_stride = strides[i - 1];
      run = taken = 1;
    }
  }
  if (sizes.empty())
    for (; d >= 0; --d) out[d] = 1;
  if (d >= 0) return std::nullopt;
  return out;
}

// Puts in the size that was given as -1.
Dims infer_size(IntSpan shape, int64_t numel, const char* op) {
  Dims out(shape);
  int64_t known = 1, unknown = -1;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == -1) {
      check(unknown < 0, op, ": only one dimension can be inferred, got ", show(shape));
      unknown = static_cast<int64_t>(i);
    } else {
      check(shape[i] >= 0, op, ": invalid shape dimension ", shape[i], " at index ", i,
            " of shape ", show(shape));
      if (__builtin_mul_overflow(known, shape[i], &known)) known = -1;
    }
  }
  if (unknown >= 0) {
    check(known != 0, op, ": cannot reshape tensor of ", numel, " elements into shape ",
          show(shape),
          " because the unspecified dimension size -1 can be any value and is ambiguous");
    if (known > 0 && numel % known == 0) {
      out[unknown] = numel / known;
      return out;
    }
    known = -1;
  }
  check(known == numel, op, ": shape '", show(shape), "' is invalid for input of size ", numel);
  return out;
}

}  // namespace

Tensor conj(const Tensor& self) { return self.is_complex() ? entry::_conj(self) : self; }

Tensor real(const Tensor& self) {
  if (!self.is_complex()) return self;
  const Tensor plain = self.is_conj() ? entry::_conj(self) : self;
  return entry::select_int(entry::view_as_real(plain), -1, 0);
}

Tensor imag(const Tensor& self) {
  check(self.is_complex(), "imag: imag is not implemented for tensors with non-complex dtypes.");
  if (!self.is_conj()) return entry::select_int(entry::view_as_real(self), -1, 1);
  return entry::select_int(entry::_neg_view(entry::view_as_real(entry::_conj(self))), -1, 1);
}

Tensor resolve_conj(const Tensor& self) {
  return self.is_conj() ? entry::clone(self, std::nullopt) : self;
}
Tensor resolve_neg(const Tensor& self) {
  return self.is_neg() ? entry::clone(self, std::nullopt) : self;
}

// ---- by name

Tensor reshape(const Tensor& self, IntSpan shape) {
  const Dims sizes = infer_size(shape, self.numel(), "reshape");
  if (self.is_contiguous()) return entry::view(self, sizes);
  if (const std::optional<Dims> strides = view_strides(self, sizes))
    return entry::_reshape_alias(self, sizes, *strides);
  return entry::_unsafe_view(entry::clone(self, MemoryFormat::contiguous), sizes);
}

Tensor reshape_as(const Tensor& self, const Tensor& other) {
  return entry::reshape(self, other.sizes());
}
Tensor view_as(const Tensor& self, const Tensor& other) { return entry::view(self, other.sizes()); }
Tensor expand_as(const Tensor& self, const Tensor& other) {
  return entry::expand(self, other.sizes(), false);
}
Tensor broadcast_to(const Tensor& self, IntSpan size) { return entry::expand(self, size, false); }

Tensor flatten(const Tensor& self, int64_t start_dim, int64_t end_dim) {
  const int64_t a = wrap_dim(start_dim, self.dim(), "flatten"),
                b = wrap_dim(end_dim, self.dim(), "flatten");
  check(a <= b, "flatten: flatten() has invalid args: start_dim cannot come after end_dim");
  if (self.dim() == 0) {
    const int64_t one[] = {1};
    return entry::reshape(self, one);
  }
  if (a == b) return self;
  Dims shape;
  int64_t joined = 1;
  for (int64_t d = 0; d < self.dim(); ++d) {
    if (d >= a && d <= b) joined *= self.sizes()[d];
    if (d == b) shape.push_back(joined);
    if (d < a || d > b) shape.push_back(self.sizes()[d]);
  }
  return entry::reshape(self, shape);
}

Tensor unflatten(const Tensor& self, int64_t dim, IntSpan sizes) {
  const int64_t d = wrap_dim(dim, self.dim(), "unflatten");
  check(!sizes.empty(), "unflatten: sizes must be non-empty");
  check(self.dim() > 0, "unflatten: a 0-dim tensor has no dimension to split");
  int64_t known = 1, unknown = 0;
  for (const int64_t s : sizes) (s == -1 ? unknown : known) *= s == -1 ? 1 : s, unknown += s == -1;
  const int64_t n = self.sizes()[d];
  check(unknown <= 1, "unflatten: only one dimension can be inferred");
  check(unknown ? known != 0 && n % known == 0 : known == n, "unflatten: Provided sizes ",
        show(sizes), " don't multiply up to the size of dim ", d, " (", n, ") in the input tensor");
  Dims shape;
  for (int64_t i = 0; i < self.dim(); ++i) {
    if (i != d) {
      shape.push_back(self.sizes()[i]);
      continue;
    }
    for (const int64_t s : sizes) shape.push_back(s == -1 ? n / known : s);
  }
  return entry::view(self, shape);
}

Tensor ravel(const Tensor& self) {
  const int64_t all[] = {-1};
  return entry::reshape(entry::contiguous(self, MemoryFormat::contiguous), all);
}

Tensor adjoint(const Tensor& self) {
  check(self.dim() != 1,
        "adjoint: tensor.adjoint() is only supported on matrices or batches of "
        "matrices. Got 1-D tensor.");
  return self.dim() == 0 ? entry::conj(self) : entry::mH(self);
}

Tensor matrix_H(const Tensor& self) {
  check(self.dim() == 2 || self.dim() == 0,
        "matrix_H: tensor.H is only supported on matrices (2-D "
        "tensors). Got ",
        self.dim(), "-D tensor.");
  return self.dim() == 0 ? entry::conj(self) : entry::mH(self);
}

}  // namespace flambeau::inline v1::native
