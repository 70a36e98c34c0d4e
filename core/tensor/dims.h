// Sizes and strides: views of them, and a vector with room for the common case inline.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <iosfwd>
#include <new>
#include <span>

namespace flambeau::inline v1 {

using IntSpan = std::span<const int64_t>;

class Dims {
 public:
  static constexpr int kInline = 6;

  Dims() = default;
  explicit Dims(size_t n, int64_t fill) { resize(n, fill); }
  [[gnu::always_inline]] Dims(IntSpan v) { assign(v); }
  Dims(std::initializer_list<int64_t> v) { assign({v.begin(), v.size()}); }
  Dims(const Dims& o) { assign(o); }
  Dims(Dims&& o) noexcept { take(o); }
  Dims& operator=(const Dims& o) {
    if (this != &o) assign(o);
    return *this;
  }
  Dims& operator=(Dims&& o) noexcept {
    if (this != &o) {
      release();
      take(o);
    }
    return *this;
  }
  [[gnu::always_inline]] ~Dims() {
    if (data_ != inline_) [[unlikely]]
      ::operator delete[](data_);
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  int64_t* data() { return data_; }
  const int64_t* data() const { return data_; }
  int64_t* begin() { return data_; }
  int64_t* end() { return data_ + size_; }
  const int64_t* begin() const { return data_; }
  const int64_t* end() const { return data_ + size_; }
  int64_t& operator[](size_t i) { return data_[i]; }
  int64_t operator[](size_t i) const { return data_[i]; }
  int64_t& back() { return data_[size_ - 1]; }
  int64_t back() const { return data_[size_ - 1]; }
  operator IntSpan() const { return {data_, size_}; }

  void assign(IntSpan v) {
    reserve(v.size());
    if (!v.empty()) std::memmove(data_, v.data(), v.size() * sizeof(int64_t));
    size_ = static_cast<uint32_t>(v.size());
  }
  void resize(size_t n, int64_t fill = 0) {
    reserve(n);
    for (size_t i = size_; i < n; ++i) data_[i] = fill;
    size_ = static_cast<uint32_t>(n);
  }
  void push_back(int64_t v) {
    reserve(size_ + 1);
    data_[size_++] = v;
  }
  void insert(size_t at, int64_t v) {
    push_back(v);
    std::rotate(data_ + at, data_ + size_ - 1, data_ + size_);
  }
  void erase(size_t at) {
    std::memmove(data_ + at, data_ + at + 1, (size_ - at - 1) * sizeof(int64_t));
    --size_;
  }

 private:
  // Far more than any list of sizes or parts; the count itself has 32 bits.
  static constexpr size_t kMost = size_t{1} << 26;

  [[gnu::always_inline]] void reserve(size_t n) {
    if (n > capacity_) [[unlikely]]
      grow(n);
  }
  void grow(size_t n);
  void release() {
    if (data_ != inline_) delete[] data_;
    data_ = inline_;
    capacity_ = kInline;
  }
  void take(Dims& o) noexcept;  // this one holds nothing of its own

  int64_t* data_ = inline_;
  uint32_t size_ = 0;
  uint32_t capacity_ = kInline;
  int64_t inline_[kInline];
};

inline bool same(IntSpan a, IntSpan b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

// "[2, 3]", as PyTorch writes sizes in its messages.
struct Shown {
  IntSpan dims;
};
inline Shown show(IntSpan dims) { return {dims}; }
std::ostream& operator<<(std::ostream& out, Shown shown);

}  // namespace flambeau::inline v1
