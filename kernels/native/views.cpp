// Geometry of views: each gives an alias of its input; the entry records base and history.

#include "flambeau/kernels/views.h"

#include "flambeau/kernels/factories.h"
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

namespace flambeau::native {
namespace {

Tensor same_memory(const Tensor& self, IntSpan sizes, IntSpan strides) {
  return Tensor::alias(self, sizes, strides, self.offset());
}

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

Tensor alias(const Tensor& self) { return same_memory(self, self.sizes(), self.strides()); }

// Contiguous, with row-major strides also where a dimension has one element.
bool row_major(const Tensor& t) {
  int64_t step = 1;
  for (int64_t d = t.dim() - 1; d >= 0; --d) {
    if (t.strides()[d] != step) return false;
    step *= std::max<int64_t>(t.sizes()[d], 1);
  }
  return true;
}

Tensor view(const Tensor& self, IntSpan size) {
  const Dims shape = infer_size(size, self.numel(), "view");
  if (self.is_contiguous() && (self.numel() == 0 || row_major(self)))
    return same_memory(self, shape, contiguous_strides(shape));
  const std::optional<Dims> strides = view_strides(self, shape);
  check(strides.has_value(),
        "view: view size is not compatible with input tensor's size and stride (at least one "
        "dimension spans across two contiguous subspaces). Use .reshape(...) instead; sizes ",
        show(self.sizes()), ", strides ", show(self.strides()), ", asked for ", show(shape));
  return same_memory(self, shape, *strides);
}

Tensor view_dtype(const Tensor& self, DType dtype) {
  const int64_t from = static_cast<int64_t>(self.itemsize()),
                to = static_cast<int64_t>(itemsize(dtype));
  check(!self.is_conj() || is_complex(dtype),
        "view: a conjugated tensor cannot be viewed as another dtype; call .resolve_conj() first");
  if (from == to) return Tensor::alias(self, dtype, self.sizes(), self.strides(), self.offset());
  check(self.dim() > 0, "view: a 0-dim tensor of ", dtype_name(self.dtype()),
        " cannot be viewed as ", dtype_name(dtype), ": the element sizes differ");
  Dims sizes(self.sizes()), strides(self.strides());
  check(strides.back() == 1, "view: self.stride(-1) must be 1 to view ", dtype_name(self.dtype()),
        " as ", dtype_name(dtype), " (different element sizes), but got ", strides.back());
  int64_t offset = self.offset();
  if (from > to) {
    const int64_t ratio = from / to;
    for (size_t i = 0; i + 1 < strides.size(); ++i) strides[i] *= ratio;
    sizes.back() *= ratio;
    offset *= ratio;
  } else {
    const int64_t ratio = to / from;
    check(sizes.back() % ratio == 0, "view: self.size(-1) must be divisible by ", ratio,
          " to view ", dtype_name(self.dtype()), " as ", dtype_name(dtype), ", but got ",
          sizes.back());
    check(offset % ratio == 0, "view: self.storage_offset() must be divisible by ", ratio,
          " to view ", dtype_name(self.dtype()), " as ", dtype_name(dtype), ", but got ", offset);
    for (size_t i = 0; i + 1 < strides.size(); ++i) {
      check(strides[i] % ratio == 0, "view: self.stride(", i, ") must be divisible by ", ratio,
            " to view ", dtype_name(self.dtype()), " as ", dtype_name(dtype), ", but got ",
            strides[i]);
      strides[i] /= ratio;
    }
    sizes.back() /= ratio;
    offset /= ratio;
  }
  return Tensor::alias(self, dtype, sizes, strides, offset);
}

Tensor as_strided(const Tensor& self, IntSpan size, IntSpan stride, std::optional<int64_t> offset) {
  check(size.size() == stride.size(),
        "as_strided: mismatch in length of strides and shape: ", show(size), " and ", show(stride));
  const int64_t start = offset.value_or(self.offset());
  check(start >= 0, "as_strided: Tensor: invalid storage offset ", start);
  int64_t last = start;
  bool empty = false;
  for (size_t i = 0; i < size.size(); ++i) {
    check(stride[i] >= 0,
          "as_strided: Negative strides are not supported at the moment, got "
          "strides: ",
          show(stride));
    check(size[i] >= 0, "as_strided: negative dimension ", size[i]);
    empty = empty || size[i] == 0;
    int64_t step;
    if (__builtin_mul_overflow(size[i] - 1, stride[i], &step) ||
        __builtin_add_overflow(last, step, &last))
      raise("as_strided: sizes ", show(size), " and strides ", show(stride), " overflow");
  }
  const auto capacity = static_cast<int64_t>(self.impl()->storage()->nbytes() / self.itemsize());
  check(empty || last < capacity, "as_strided: setStorage: sizes ", show(size), ", strides ",
        show(stride), ", storage offset ", start, ", and itemsize ", self.itemsize(),
        " requiring a storage size of ", (last + 1) * static_cast<int64_t>(self.itemsize()),
        " are out of bounds for storage of size ", self.impl()->storage()->nbytes());
  return Tensor::alias(self, size, stride, start);
}

Tensor transpose(const Tensor& self, int64_t dim0, int64_t dim1) {
  const int64_t a = wrap_dim(dim0, self.dim(), "transpose");
  const int64_t b = wrap_dim(dim1, self.dim(), "transpose");
  Dims sizes(self.sizes()), strides(self.strides());
  if (self.dim() > 0) {
    std::swap(sizes[a], sizes[b]);
    std::swap(strides[a], strides[b]);
  }
  return same_memory(self, sizes, strides);
}

Tensor t(const Tensor& self) {
  check(self.dim() <= 2, "t: t() expects a tensor with <= 2 dimensions, but self is ", self.dim(),
        "D: use .mT or .transpose(dim0, dim1)");
  return self.dim() < 2 ? alias(self) : transpose(self, 0, 1);
}

Tensor permute(const Tensor& self, IntSpan dims) {
  const int64_t n = self.dim();
  check(static_cast<int64_t>(dims.size()) == n,
        "permute: permute(sparse_coo): number of dimensions in the tensor input does not match the "
        "length of the desired ordering of dimensions i.e. input.dim() = ",
        n, " is not equal to len(dims) = ", dims.size());
  Dims sizes(n, 0), strides(n, 0);
  uint64_t seen = 0;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t d = wrap_dim(dims[i], n, "permute");
    check(!(seen >> d & 1), "permute: duplicate dims are not allowed, got ", show(dims));
    seen |= uint64_t{1} << d;
    sizes[i] = self.sizes()[d];
    strides[i] = self.strides()[d];
  }
  return same_memory(self, sizes, strides);
}

Tensor expand(const Tensor& self, IntSpan size, bool) {
  const int64_t n = static_cast<int64_t>(size.size()), extra = n - self.dim();
  check(extra >= 0, "expand: expand(", dtype_name(self.dtype()), "{", show(self.sizes()),
        "}, size=", show(size), "): the number of sizes provided (", n,
        ") must be greater or equal to the number of dimensions in the tensor (", self.dim(), ")");
  Dims sizes(n, 0), strides(n, 0);
  for (int64_t i = n - 1; i >= 0; --i) {
    const int64_t d = i - extra;
    const int64_t have = d < 0 ? 1 : self.sizes()[d];
    int64_t want = size[i];
    if (want == -1) {
      check(d >= 0,
            "expand: the expanded size of the tensor (-1) isn't allowed in a leading, "
            "non-existing dimension ",
            i);
      want = have;
    }
    check(want >= 0, "expand: negative size ", want, " in ", show(size));
    check(have == want || have == 1, "expand: The expanded size of the tensor (", want,
          ") must match the existing size (", have, ") at non-singleton dimension ", i,
          ".  Target sizes: ", show(size), ".  Tensor sizes: ", show(self.sizes()));
    sizes[i] = want;
    if (self.dim() > 0 && have == want)
      strides[i] = d < 0 ? (i + 1 < n ? sizes[i + 1] * strides[i + 1] : 1) : self.strides()[d];
  }
  return same_memory(self, sizes, strides);
}

namespace {

Tensor squeeze_where(const Tensor& self, uint64_t mask) {
  Dims sizes, strides;
  for (int64_t d = 0; d < self.dim(); ++d) {
    if ((mask >> d & 1) && self.sizes()[d] == 1) continue;
    sizes.push_back(self.sizes()[d]);
    strides.push_back(self.strides()[d]);
  }
  return same_memory(self, sizes, strides);
}

}  // namespace

Tensor squeeze(const Tensor& self) { return squeeze_where(self, ~uint64_t{0}); }

Tensor squeeze_dim(const Tensor& self, int64_t dim) {
  return squeeze_where(self, uint64_t{1} << wrap_dim(dim, self.dim(), "squeeze"));
}

Tensor squeeze_dims(const Tensor& self, IntSpan dims) {
  uint64_t mask = 0;
  for (const int64_t dim : dims) {
    const uint64_t one = uint64_t{1} << wrap_dim(dim, self.dim(), "squeeze");
    check(!(mask & one), "squeeze: dim ", dim, " appears multiple times in the list of dims");
    mask |= one;
  }
  return squeeze_where(self, mask);
}

Tensor unsqueeze(const Tensor& self, int64_t dim) {
  const int64_t d = wrap_dim(dim, self.dim() + 1, "unsqueeze");
  Dims sizes(self.sizes()), strides(self.strides());
  const int64_t step = d < self.dim() ? sizes[d] * strides[d] : 1;
  sizes.insert(d, 1);
  strides.insert(d, step);
  return same_memory(self, sizes, strides);
}

Tensor select(const Tensor& self, int64_t dim, int64_t index) {
  check<IndexError>(self.dim() > 0, "select: cannot be applied to a 0-dim tensor.");
  const int64_t d = wrap_dim(dim, self.dim(), "select"), n = self.sizes()[d];
  check<IndexError>(index >= -n && index < n, "select: index ", index,
                    " out of range for tensor of size ", show(self.sizes()), " at dimension ", d);
  Dims sizes(self.sizes()), strides(self.strides());
  const int64_t offset = self.offset() + (index < 0 ? index + n : index) * strides[d];
  sizes.erase(d);
  strides.erase(d);
  return Tensor::alias(self, sizes, strides, offset);
}

Tensor diagonal(const Tensor& self, int64_t offset, int64_t dim1, int64_t dim2) {
  const int64_t a = wrap_dim(dim1, self.dim(), "diagonal"),
                b = wrap_dim(dim2, self.dim(), "diagonal");
  check(a != b, "diagonal: diagonal dimensions cannot be identical ", dim1, ", ", dim2);
  Dims sizes(self.sizes()), strides(self.strides());
  const int64_t rows = sizes[a], columns = sizes[b];
  const int64_t length = std::max<int64_t>(
      offset >= 0 ? std::min(rows, columns - offset) : std::min(rows + offset, columns), 0);
  int64_t start = self.offset();
  if (length > 0) start += offset >= 0 ? offset * strides[b] : -offset * strides[a];
  const int64_t step = strides[a] + strides[b];
  for (const int64_t d : {std::max(a, b), std::min(a, b)}) {
    sizes.erase(d);
    strides.erase(d);
  }
  sizes.push_back(length);
  strides.push_back(step);
  return Tensor::alias(self, sizes, strides, start);
}

Tensor unfold(const Tensor& self, int64_t dimension, int64_t size, int64_t step) {
  const int64_t d = wrap_dim(dimension, self.dim(), "unfold");
  const int64_t n = self.dim() == 0 ? 1 : self.sizes()[d];
  check(size >= 0, "unfold: size is ", size, " but must be >= 0");
  check(size <= n, "unfold: maximum size for tensor at dimension ", d, " is ", n, " but size is ",
        size);
  check(step > 0, "unfold: step is ", step, " but must be > 0");
  Dims sizes(self.sizes()), strides(self.strides());
  if (self.dim() == 0) {
    sizes.push_back(size);
    strides.push_back(1);
    return same_memory(self, sizes, strides);
  }
  sizes.push_back(size);
  strides.push_back(strides[d]);
  sizes[d] = (n - size) / step + 1;
  strides[d] *= step;
  return same_memory(self, sizes, strides);
}

namespace {

Tensor part(const Tensor& self, int64_t dim, int64_t start, int64_t length) {
  Dims sizes(self.sizes());
  sizes[dim] = length;
  return Tensor::alias(self, sizes, self.strides(), self.offset() + start * self.strides()[dim]);
}

}  // namespace

TensorVec split(const Tensor& self, int64_t split_size, int64_t dim) {
  check(self.dim() > 0, "split: split expects at least a 1-dimensional tensor");
  const int64_t d = wrap_dim(dim, self.dim(), "split"), n = self.sizes()[d];
  check(split_size >= 0,
        "split: split expects split_size be non-negative, but got split_size=", split_size);
  check(split_size > 0 || n == 0,
        "split: split_size can only be 0 if dimension size is 0, but got "
        "dimension size of ",
        n);
  TensorVec out;
  if (split_size == 0) return {part(self, d, 0, 0)};
  const int64_t parts = std::max<int64_t>((n + split_size - 1) / split_size, 1);
  for (int64_t i = 0; i < parts; ++i)
    out.push_back(part(self, d, i * split_size, std::min(split_size, n - i * split_size)));
  return out;
}

TensorVec split_with_sizes(const Tensor& self, IntSpan sizes, int64_t dim) {
  check(self.dim() > 0, "split_with_sizes: split expects at least a 1-dimensional tensor");
  const int64_t d = wrap_dim(dim, self.dim(), "split_with_sizes"), n = self.sizes()[d];
  int64_t total = 0;
  for (const int64_t s : sizes) {
    check(s >= 0,
          "split_with_sizes: split_with_sizes expects split_sizes have only non-negative "
          "entries, but got split_sizes=",
          show(sizes));
    total += s;
  }
  check(total == n, "split_with_sizes: split_with_sizes expects split_sizes to sum exactly to ", n,
        " (input tensor's size at dimension ", d, "), but got split_sizes=", show(sizes));
  TensorVec out;
  int64_t start = 0;
  for (const int64_t s : sizes) {
    out.push_back(part(self, d, start, s));
    start += s;
  }
  return out;
}

TensorVec unbind(const Tensor& self, int64_t dim) {
  check<IndexError>(self.dim() > 0, "unbind: Dimension specified as ", dim,
                    " but tensor has no dimensions");
  const int64_t d = wrap_dim(dim, self.dim(), "unbind");
  TensorVec out;
  for (int64_t i = 0; i < self.sizes()[d]; ++i) out.push_back(select(self, d, i));
  return out;
}

Tensor view_as_real(const Tensor& self) {
  check(self.is_complex(), "view_as_real: view_as_real is only supported for complex tensors, got ",
        dtype_name(self.dtype()));
  check(!self.is_conj(),
        "view_as_real doesn't work on unresolved conjugated tensors.  To resolve "
        "the conjugate tensor so you can view it as real, use self.resolve_conj(); however, be "
        "warned that the resulting tensor will NOT alias the original.");
  Dims sizes(self.sizes()), strides(self.strides());
  for (int64_t& s : strides) s *= 2;
  sizes.push_back(2);
  strides.push_back(1);
  return Tensor::alias(self, to_real(self.dtype()), sizes, strides, self.offset() * 2);
}

Tensor view_as_complex(const Tensor& self) {
  check(
      self.dtype() == DType::float32 || self.dtype() == DType::float64,
      "view_as_complex: view_as_complex is only supported for half, float and double tensors, but "
      "got a tensor of scalar type: ",
      dtype_name(self.dtype()));
  check(self.dim() > 0, "view_as_complex: Input tensor must have one or more dimensions");
  Dims sizes(self.sizes()), strides(self.strides());
  check(sizes.back() == 2, "view_as_complex: Tensor must have a last dimension of size 2");
  check(strides.back() == 1, "view_as_complex: Tensor must have a last dimension with stride 1");
  sizes.erase(sizes.size() - 1);
  strides.erase(strides.size() - 1);
  for (int64_t& s : strides) {
    check(s % 2 == 0,
          "view_as_complex: Tensor must have a stride divisible by 2 for all but last "
          "dimension");
    s /= 2;
  }
  check(self.offset() % 2 == 0,
        "view_as_complex: Tensor must have a storage_offset divisible by 2");
  return Tensor::alias(self, to_complex(self.dtype()), sizes, strides, self.offset() / 2);
}

namespace {

Tensor with_flipped(const Tensor& self, KeySet key) {
  Tensor t = alias(self);
  t.impl()->keys ^= key;
  return t;
}

}  // namespace

Tensor _conj(const Tensor& self) {
  check(self.is_complex(), "_conj: a real tensor has no conjugate view");
  return with_flipped(self, kConjugate);
}

Tensor _neg_view(const Tensor& self) { return with_flipped(self, kNegative); }

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

Tensor reshape_alias(const Tensor& self, IntSpan size, IntSpan stride) {
  return same_memory(self, Dims(size), Dims(stride));
}

Tensor unsafe_view(const Tensor& self, IntSpan size) { return view(self, size); }

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

}  // namespace flambeau::native
