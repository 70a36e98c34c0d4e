#include "core/tensor/tensor.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <numeric>
#include <ostream>

#include "core/memory/allocator.h"
#include "core/tensor/rearrange.h"

namespace flambeau::inline v1 {

void (*release_py_object)(TensorImpl*) = nullptr;

void Dims::grow(size_t n) {
  if (n > kMost) throw std::bad_array_new_length();
  const size_t grown = std::max<size_t>(n, size_t{capacity_} * 2);
  auto* block = new int64_t[grown];
  if (size_) std::memcpy(block, data_, size_ * sizeof(int64_t));
  release();
  data_ = block;
  capacity_ = static_cast<uint32_t>(grown);
}

void Dims::take(Dims& o) noexcept {
  size_ = o.size_;
  if (o.data_ == o.inline_) {
    data_ = inline_;
    capacity_ = kInline;
    std::memcpy(inline_, o.inline_, sizeof(inline_));  // a few moves, where a loop would count
  } else {
    data_ = o.data_;
    capacity_ = o.capacity_;
    o.data_ = o.inline_;
    o.capacity_ = kInline;
  }
  o.size_ = 0;
}

std::ostream& operator<<(std::ostream& out, Shown shown) {
  out << '[';
  for (size_t i = 0; i < shown.dims.size(); ++i) out << (i ? ", " : "") << shown.dims[i];
  return out << ']';
}

// ---- TensorImpl

TensorImpl::TensorImpl(Ref<Storage> storage, DType dtype, Device device)
    : dtype_(dtype), device_(device), storage_(std::move(storage)) {}

TensorImpl::~TensorImpl() {
  if (py_owned) [[unlikely]]
    release_py_object(this);
  if (ndim_ > kInlineDims) delete[] heap_;
}

[[gnu::flatten]] void TensorImpl::destroy(TensorImpl* t) { delete t; }

int64_t* TensorImpl::reserve_geometry(size_t ndim) {
  if (ndim > kInlineDims && ndim != ndim_) {
    auto* block = new int64_t[2 * ndim];
    if (ndim_ > kInlineDims) delete[] heap_;
    heap_ = block;
  } else if (ndim <= kInlineDims && ndim_ > kInlineDims) {
    delete[] heap_;
  }
  ndim_ = static_cast<uint8_t>(ndim);
  return ndim > kInlineDims ? heap_ : inline_;
}

namespace {

void check_sizes(IntSpan sizes, size_t item) {
  check(sizes.size() <= 64, "a tensor has at most 64 dimensions, not ", sizes.size());
  int64_t bytes = static_cast<int64_t>(item);
  bool overflow = false, empty = false;
  for (const int64_t size : sizes) {
    if (size < 0) raise("a tensor was asked to have negative dimension ", size);
    empty |= size == 0;
    overflow |= __builtin_mul_overflow(bytes, size == 0 ? 1 : size, &bytes);
  }
  if (overflow && !empty)
    raise<memory::SizeOverflow>("Storage size calculation overflowed with sizes=", show(sizes));
}

// True when the dimensions, sorted by stride, tile memory without gaps or overlap.
bool dense_geometry(IntSpan sizes, IntSpan strides) {
  int order[64];
  int n = 0;
  for (size_t d = 0; d < sizes.size(); ++d) {
    if (sizes[d] == 1) continue;
    int at = n++;
    for (; at > 0 && strides[order[at - 1]] > strides[d]; --at) order[at] = order[at - 1];
    order[at] = static_cast<int>(d);
  }
  int64_t expected = 1;
  for (int i = 0; i < n; ++i) {
    if (strides[order[i]] != expected) return false;
    expected *= sizes[order[i]];
  }
  return true;
}

}  // namespace

// One pass from the last dimension: writes the geometry, and finds out all that follows from it.
// `stride_of(d, row)` gives a stride, where `row` is the row-major one.
// Gives whether a product overflowed, which may be for tensors without elements.
template <class Strides>
inline bool TensorImpl::lay_out(IntSpan sizes, Strides stride_of) {
  const size_t n = sizes.size();
  if (n > 64) [[unlikely]]
    check_sizes(sizes, 1);
  const bool inside = n <= kInlineDims && ndim_ <= kInlineDims;
  int64_t* const g = inside ? inline_ : reserve_geometry(n);
  ndim_ = static_cast<uint8_t>(n);
  int64_t row = 1;
  bool overflow = false, empty = false, contiguous = true;
  for (size_t d = n; d-- > 0;) {
    const int64_t size = sizes[d], stride = stride_of(d, row);
    g[d] = size;
    g[n + d] = stride;
    contiguous &= stride == row || size == 1;
    if (size > 1) {
      overflow |= __builtin_mul_overflow(row, size, &row);
    } else if (size != 1) [[unlikely]] {
      overflow |= size < 0;
      empty = true;
    }
  }
  int64_t bytes;
  overflow |= __builtin_mul_overflow(row, static_cast<int64_t>(itemsize(dtype_)), &bytes);
  if (overflow) [[unlikely]]
    check_sizes(sizes, itemsize(dtype_));
  numel_ = empty ? 0 : row;
  contiguous_ = contiguous || empty;
  dense_ = contiguous_ || dense_geometry(sizes, strides());
  return overflow;
}

void TensorImpl::begin_geometry(IntSpan sizes, IntSpan strides, int64_t offset) {
  lay_out(sizes, [&](size_t d, int64_t) { return strides[d]; });
  offset_ = offset;
}

void TensorImpl::begin_contiguous(IntSpan sizes) {
  if (lay_out(sizes, [](size_t, int64_t row) { return row; })) [[unlikely]]
    contiguous_strides(sizes);  // raises where a stride does not fit
}

void TensorImpl::set_geometry(IntSpan sizes, IntSpan strides, int64_t offset) {
  check_sizes(sizes, itemsize(dtype_));               // before anything changes
  const Dims own_sizes(sizes), own_strides(strides);  // the arguments may be our own
  begin_geometry(own_sizes, own_strides, offset);
}

// Note [Made on demand]
// Threads may take their first views of a shared tensor at once, and meet at what it makes on
// demand: one of them is first, and the others drop what they made.
VersionCounter* TensorImpl::version_counter() {
  static_assert(sizeof(version_) == sizeof(VersionCounter*));
  auto* place = reinterpret_cast<VersionCounter**>(&version_);
  VersionCounter* there = __atomic_load_n(place, __ATOMIC_ACQUIRE);
  if (there) return there;
  auto* made = new VersionCounter();
  if (__atomic_compare_exchange_n(place, &there, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
    return made;
  made->release();
  return there;
}

// ---- Tensor

Tensor Tensor::alias(const Tensor& of, DType dtype, IntSpan sizes, IntSpan strides,
                     int64_t offset) {
  auto* impl = new TensorImpl(of.impl_->storage_, dtype, of.device());
  Tensor t = adopt(impl);
  impl->layout_ = of.layout();
  impl->begin_geometry(sizes, strides, offset);
  impl->inference = of.impl_->inference;
  if (!impl->inference) impl->share_version(*of.impl_);
  // Lazy conjugation and negation go on through an alias; gradients and subclasses do not.
  impl->keys = of.impl_->keys & (kConjugate | kNegative | bit(Key::backend));
  return t;
}

Tensor Tensor::alias(const Tensor& of, IntSpan sizes, IntSpan strides, int64_t offset) {
  return alias(of, of.dtype(), sizes, strides, offset);
}

int64_t Tensor::size(int64_t dim) const { return sizes()[wrap_dim(dim, this->dim(), "size")]; }
int64_t Tensor::stride(int64_t dim) const {
  return strides()[wrap_dim(dim, this->dim(), "stride")];
}

bool Tensor::is_contiguous(MemoryFormat format) const {
  if (format == MemoryFormat::channels_last && dim() == 4) {
    if (numel() == 0) return true;
    int64_t expected = 1;
    for (const int d : {1, 3, 2, 0}) {
      if (sizes()[d] == 1) continue;
      if (strides()[d] != expected) return false;
      expected *= sizes()[d];
    }
    return true;
  }
  if (format == MemoryFormat::channels_last_3d && dim() == 5) {
    if (numel() == 0) return true;
    int64_t expected = 1;
    for (const int d : {1, 4, 3, 2, 0}) {
      if (sizes()[d] == 1) continue;
      if (strides()[d] != expected) return false;
      expected *= sizes()[d];
    }
    return true;
  }
  return (format == MemoryFormat::contiguous || format == MemoryFormat::preserve) &&
         is_contiguous();
}

namespace {

// PyTorch's test for "is laid out channels last", which must tell N1HW from NHW1 by the strides.
bool looks_channels_last(IntSpan sizes, IntSpan strides, std::initializer_list<int> order) {
  int64_t least = 0;
  if (strides[1] == 0) return false;
  for (const int d : order) {
    if (sizes[d] == 0 || strides[d] < least) return false;
    if (d == 0 && least == strides[1]) return false;  // a plain NCHW with size-1 dims
    least = strides[d];
    if (sizes[d] > 1) least *= sizes[d];
  }
  return true;
}

}  // namespace

MemoryFormat Tensor::suggest_memory_format() const {
  if (layout() != Layout::strided) return MemoryFormat::contiguous;
  if (dim() == 4 && looks_channels_last(sizes(), strides(), {1, 3, 2, 0}))
    return MemoryFormat::channels_last;
  if (dim() == 5 && looks_channels_last(sizes(), strides(), {1, 4, 3, 2, 0}))
    return MemoryFormat::channels_last_3d;
  return MemoryFormat::contiguous;
}

// ---- memory

namespace {

// Bytes of its storage that a tensor reaches.
size_t reach_of(const Tensor& t) {
  size_t bytes;
  if (__builtin_mul_overflow(static_cast<size_t>(t.offset()), t.itemsize(), &bytes) ||
      __builtin_add_overflow(bytes, span_bytes(t.sizes(), t.strides(), t.itemsize()), &bytes))
    raise<memory::SizeOverflow>("Storage size calculation overflowed with sizes=", show(t.sizes()),
                                " and offset=", t.offset());
  return bytes;
}

}  // namespace

char* Tensor::cold_bytes() const {
  const Storage& storage = *impl_->storage_;
  if (numel() > 0 && !storage.device().is_cpu())
    raise<NoMemory>("a tensor of sizes=", show(sizes()), " has no memory that the host can reach: ",
                    layout() != Layout::strided
                        ? concat("its layout is torch.", layout_name(layout()))
                    : device().is_cpu() ? "its class answers for its values"
                                        : concat("it is on device '", device().str(), "'"));
  return device_bytes();
}

char* Tensor::device_bytes() const {
  alignas(64) static char nothing[64];
  if (numel() == 0) return nothing;
  const Storage& storage = *impl_->storage_;
  const size_t reach = reach_of(*this);
  if (reach > storage.nbytes() || !storage.data())  // a promise is kept here
    raise<NoMemory>("a tensor of sizes=", show(sizes()), ", strides=", show(strides()),
                    " and offset=", offset(), " of ", dtype_name(dtype()), " needs a storage of ",
                    reach, " bytes, but its storage was resized to ", storage.nbytes(),
                    ": resize the storage back before its values are used");
  return static_cast<char*>(storage.data()) + offset() * static_cast<int64_t>(itemsize());
}

// ---- geometry

int64_t wrap_dim(int64_t dim, int64_t ndim, const char* op) {
  const int64_t range = ndim == 0 ? 1 : ndim;
  if (dim < -range || dim >= range) [[unlikely]]
    raise<IndexError>(op, ": Dimension out of range (expected to be in range of [", -range, ", ",
                      range - 1, "], but got ", dim, ")");
  return dim < 0 ? dim + range : dim;
}

int64_t count(IntSpan sizes) {
  int64_t n = 1;
  bool overflow = false;
  for (const int64_t s : sizes)
    if (s == 0) return 0;
  for (const int64_t s : sizes) overflow |= __builtin_mul_overflow(n, s, &n);
  check<memory::SizeOverflow>(!overflow,
                              "Storage size calculation overflowed with sizes=", show(sizes));
  return n;
}

Dims contiguous_strides(IntSpan sizes) {
  Dims strides(sizes.size(), 1);
  int64_t step = 1;
  for (size_t d = sizes.size(); d-- > 0;) {
    strides[d] = step;
    if (sizes[d] > 1 && __builtin_mul_overflow(step, sizes[d], &step))
      raise<memory::SizeOverflow>("Stride calculation overflowed with sizes=", show(sizes));
  }
  return strides;
}

Dims channels_last_strides(IntSpan sizes) {
  Dims strides(sizes.size(), 1);
  int64_t step = 1;
  const auto next = [&](size_t d) {
    strides[d] = step;
    step *= sizes[d] > 1 ? sizes[d] : 1;
  };
  next(1);
  for (size_t d = sizes.size(); d-- > 2;) next(d);
  next(0);
  return strides;
}

// PyTorch's infer_dense_strides: the dimensions keep their order in memory, packed. A dimension of
// stride 0 (expanded) stays where it stands.
Dims strides_like(const Tensor& like) {
  const IntSpan sizes = like.sizes(), strides = like.strides();
  if (like.impl()->dense()) return Dims(strides);
  const int n = static_cast<int>(sizes.size());
  Dims order(n, 0);
  for (int i = 0; i < n; ++i) order[i] = n - 1 - i;
  // 1: a must come after b (is outer), -1: before, 0: not decided by the strides.
  const auto compare = [&](int64_t a, int64_t b) {
    if (strides[a] == 0 || strides[b] == 0) return 0;
    if (strides[a] != strides[b]) return strides[a] < strides[b] ? -1 : 1;
    return sizes[a] > sizes[b] ? 1 : 0;
  };
  for (int i = 1; i < n; ++i) {
    int at = i;
    for (int j = i - 1; j >= 0; --j) {
      const int c = compare(order[j], order[at]);
      if (c > 0) {
        std::swap(order[j], order[at]);
        at = j;
      } else if (c < 0) {
        break;
      }
    }
  }
  Dims out(n, 0);
  int64_t step = 1;
  for (int i = 0; i < n; ++i) {
    out[order[i]] = step;
    step *= std::max<int64_t>(sizes[order[i]], 1);
  }
  return out;
}

Dims broadcast(IntSpan a, IntSpan b, const char* op) {
  const size_t n = std::max(a.size(), b.size());
  Dims out(n, 1);
  for (size_t i = 0; i < n; ++i) {
    const int64_t sa = i < n - a.size() ? 1 : a[i - (n - a.size())];
    const int64_t sb = i < n - b.size() ? 1 : b[i - (n - b.size())];
    if (sa != sb && sa != 1 && sb != 1)
      raise(op, ": The size of tensor a (", sa, ") must match the size of tensor b (", sb,
            ") at non-singleton dimension ", i, ": shapes ", show(a), " and ", show(b),
            " do not broadcast");
    out[i] = sa == 1 ? sb : sa;
  }
  return out;
}

Overlap internal_overlap(const Tensor& t) {
  if (t.impl()->dense()) return Overlap::no;
  for (int64_t d = 0; d < t.dim(); ++d)
    if (t.strides()[d] == 0 && t.sizes()[d] > 1) return Overlap::yes;
  // Sorted by stride, each dimension must step over the extent of the smaller ones.
  int order[64];
  int n = 0;
  for (int64_t d = 0; d < t.dim(); ++d) {
    if (t.sizes()[d] == 1) continue;
    int at = n++;
    for (; at > 0 && t.strides()[order[at - 1]] > t.strides()[d]; --at) order[at] = order[at - 1];
    order[at] = static_cast<int>(d);
  }
  int64_t extent = 0;
  for (int i = 0; i < n; ++i) {
    if (t.strides()[order[i]] <= extent) return Overlap::too_hard;
    extent += t.strides()[order[i]] * (t.sizes()[order[i]] - 1);
  }
  return Overlap::no;
}

namespace {

struct Range {  // bytes of the storage
  int64_t begin, end;
};
Range range_of(const Tensor& t) {
  int64_t last = t.offset();
  for (int64_t d = 0; d < t.dim(); ++d) last += (t.sizes()[d] - 1) * t.strides()[d];
  const auto item = static_cast<int64_t>(t.itemsize());
  return {t.offset() * item, (last + 1) * item};
}

// Bytes that are met at the same places of every `step` bytes: those of dimensions whose strides
// are no multiples of it.
int64_t width_within(const Tensor& t, int64_t step) {
  const auto item = static_cast<int64_t>(t.itemsize());
  int64_t width = item;
  for (int64_t d = 0; d < t.dim(); ++d)
    if (t.strides()[d] * item % step != 0) width += (t.sizes()[d] - 1) * t.strides()[d] * item;
  return width;
}

// Whether elements lie apart as columns of a matrix do, of which both ranges have some: their
// places within a step, which is a stride of one or what strides of both are multiples of, do not
// meet.
bool interleaved(const Tensor& a, const Tensor& b, int64_t from) {
  const auto apart = [&](int64_t step) {
    if (step == 0) return false;
    const int64_t shift = (from % step + step) % step;
    const int64_t wa = width_within(a, step), wb = width_within(b, step);
    return shift >= wa && wb <= step - shift;
  };
  const auto item_a = static_cast<int64_t>(a.itemsize()),
             item_b = static_cast<int64_t>(b.itemsize());
  for (int64_t d = 0; d < a.dim(); ++d) {
    if (a.sizes()[d] == 1) continue;
    if (apart(a.strides()[d] * item_a)) return true;
    for (int64_t e = 0; e < b.dim(); ++e)
      if (b.sizes()[e] > 1 && apart(std::gcd(a.strides()[d] * item_a, b.strides()[e] * item_b)))
        return true;
  }
  for (int64_t e = 0; e < b.dim(); ++e)
    if (b.sizes()[e] > 1 && apart(b.strides()[e] * item_b)) return true;
  return false;
}

}  // namespace

MemOverlap memory_overlap(const Tensor& a, const Tensor& b) {
  if (a.is(b)) return MemOverlap::full;
  if (a.numel() == 0 || b.numel() == 0 || a.is_meta()) return MemOverlap::none;
  if (a.impl()->storage().get() != b.impl()->storage().get()) return MemOverlap::none;
  const Range ra = range_of(a), rb = range_of(b);
  if (ra.end <= rb.begin || rb.end <= ra.begin) return MemOverlap::none;
  if (ra.begin == rb.begin && same(a.sizes(), b.sizes()) && same(a.strides(), b.strides()) &&
      a.dtype() == b.dtype())
    return MemOverlap::full;
  if (a.impl()->dense() && b.impl()->dense()) return MemOverlap::partial;
  return interleaved(a, b, rb.begin - ra.begin) ? MemOverlap::none : MemOverlap::too_hard;
}

size_t span_bytes(IntSpan sizes, IntSpan strides, size_t item) {
  int64_t last = 0;
  for (size_t d = 0; d < sizes.size(); ++d) {
    if (sizes[d] == 0) return 0;
    int64_t step;
    if (__builtin_mul_overflow(sizes[d] - 1, strides[d], &step) ||
        __builtin_add_overflow(last, step, &last))
      raise<memory::SizeOverflow>("Storage size calculation overflowed with sizes=", show(sizes),
                                  " and strides=", show(strides));
  }
  int64_t bytes;
  if (__builtin_add_overflow(last, 1, &last) ||
      __builtin_mul_overflow(last, static_cast<int64_t>(item), &bytes))
    raise<memory::SizeOverflow>("Storage size calculation overflowed with sizes=", show(sizes));
  return static_cast<size_t>(bytes);
}

void resize(const Tensor& t, IntSpan sizes) {
  if (same(t.sizes(), sizes)) return;
  check_sizes(sizes, t.itemsize());
  check(t.layout() == Layout::strided, "resize: a tensor of layout torch.", layout_name(t.layout()),
        " of shape ", show(t.sizes()), " is not resized to ", show(sizes), ": make a new one");
  TensorImpl* impl = t.impl();
  const Rearranging scope;
  const Dims strides = contiguous_strides(sizes);
  const int64_t offset = t.offset();
  size_t needed;
  if (__builtin_mul_overflow(static_cast<size_t>(offset), t.itemsize(), &needed) ||
      __builtin_add_overflow(needed, span_bytes(sizes, strides, t.itemsize()), &needed))
    raise<memory::SizeOverflow>("Storage size calculation overflowed with sizes=", show(sizes),
                                " and offset=", offset);
  // The memory first: where that fails, the tensor stays what it was.
  if (needed > impl->storage()->nbytes()) impl->storage()->resize(needed);
  impl->set_geometry(sizes, strides, offset);
}

void resize_out(const Tensor& out, IntSpan sizes, const char* op) {
  if (out.numel() > 0 && !same(out.sizes(), sizes))
    warn(concat(op, ": An output with one or more elements was resized since it had shape ",
                show(out.sizes()), ", which does not match the required output shape ", show(sizes),
                ". Give one of that shape, or an empty one."));
  resize(out, sizes);
}

}  // namespace flambeau::inline v1
