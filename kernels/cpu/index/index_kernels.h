// The inner loops of indexing; one table per instruction set.
#pragma once

#include <cstdint>

#include "kernels/cpu/pointwise/convert.h"

namespace flambeau::inline v1::cpu {

// The two innermost dimensions of an indexed walk, the outer one first. Element (r, i) of the plain
// operand stands at plain + r * plain_stride[0] + i * plain_stride[1] (bytes); that of the indexed
// operand likewise, and further offsets[r * offset_stride[0] + i * offset_stride[1]] bytes on.
struct IndexBlock {
  char* plain;
  char* indexed;
  const int64_t* offsets;
  int64_t sizes[2];
  int64_t plain_stride[2], indexed_stride[2], offset_stride[2];
  // Of blocks of one row: where not null, element i has the offset narrow[i] * stride instead.
  const uint16_t* narrow = nullptr;
  int64_t stride = 0;
};

// `factor` points to an element's arithmetic type (see Arithmetic in index_isa.cpp), for loops that
// have one.
using IndexLoop = void (*)(const IndexBlock& block, const void* factor);

// plain[i] = the element at indexed + stride * index[i]; gives false when an index is not in
// [0, size), or with wrap in [-size, size).
using IndexPick = bool (*)(char* plain, const char* indexed, const int64_t* index, int64_t n,
                           int64_t size, int64_t stride, bool wrap);

// Piece r of a part: `bytes` from data + r * step on.
struct JoinedPart {
  const char* data;
  int64_t bytes, step;
};

// Arrays of five are by the logarithm of the element's size.
struct IndexKernels {
  IndexLoop load[5];   // plain = indexed
  IndexLoop store[5];  // indexed = plain
  IndexPick pick[5];
  IndexLoop accumulate[kStoredTypes];  // indexed += factor * plain
  IndexLoop multiply[kStoredTypes];    // indexed *= plain

  // out[i] = (or, with add, +=) stride * index[i], for i < n. Gives false when an index is not in
  // [0, size), or with wrap in [-size, size).
  bool (*offsets)(const int64_t* index, int64_t* out, int64_t n, int64_t size, int64_t stride,
                  bool wrap, bool add);
  // The same check for a size of at most 65536: out[i] = index[i], those below 0 from the end on.
  bool (*narrow)(const int64_t* index, uint16_t* out, int64_t n, int64_t size, bool wrap);

  // Masks are bytes; all but 0 are true.
  // dst[i] = mask[i] ? *value : src[i]; dst may be src.
  void (*select[5])(void* dst, const void* src, const uint8_t* mask, const void* value, int64_t n);
  int64_t (*count)(const uint8_t* mask, int64_t n);
  // The elements where the mask is true, packed in `room` places: as many as were counted. A mask
  // that changed since then does not lead beyond them, and leaves zeros where it has fewer.
  void (*pack[5])(void* dst, int64_t room, const void* src, const uint8_t* mask, int64_t n);
  // first + i for each i where the mask is true, likewise.
  void (*positions)(int64_t* dst, int64_t room, const uint8_t* mask, int64_t n, int64_t first);
  // Rows one after the other, each made of a piece of every part.
  void (*join)(char* out, const JoinedPart* parts, int64_t count, int64_t rows);
};

const IndexKernels& index_kernels();  // of isa()

namespace baseline {
extern const IndexKernels index_kernels;
}
namespace avx2 {
extern const IndexKernels index_kernels;
}
namespace avx512 {
extern const IndexKernels index_kernels;
}

}  // namespace flambeau::inline v1::cpu
