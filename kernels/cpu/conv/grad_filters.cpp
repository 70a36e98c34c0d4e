// The gradients of filters and bias.
#include <algorithm>
#include <vector>

#include "core/parallel/parallel.h"
#include "kernels/cpu/conv/conv2d.h"
#include "kernels/cpu/conv/depthwise.h"
#include "kernels/cpu/conv/lanes.h"
#include "kernels/cpu/conv/pass.h"
#include "kernels/cpu/matmul/gemm/scratch.h"

namespace flambeau::inline v1::cpu {
namespace {

// Rows of A that are packed at a time, and columns of B.
constexpr int64_t kRows = 168, kCols = 256;
// Elements of a block of sums, which a task keeps near.
constexpr int64_t kSums = 192 << 10;
// Parts of the sum over pixels, and the memory for their results.
constexpr int64_t kParts = 16, kPartBytes = int64_t{64} << 20, kPartSteps = 4;

// A block of pixels, along which products are summed.
struct PixelStep {
  int64_t pixel, depth;
};

// Note [Gradient of filters]
// It is the product of patches and dy, summed over pixels. A wants to be contiguous along pixels, B
// along lanes: where channels are planes, dy is transposed when it is packed as B, where they are
// neighbours, when it is packed as A; unless patches have far fewer elements than there are outs,
// and are transposed instead. The pixels are cut into parts by the shape of the problem alone; each
// part has a matrix of sums of its own, and these are added as a tree.
class FilterGradient {
 public:
  FilterGradient(const ConvMath& math, ConvLayout layout, const Conv2dShape& shape,
                 const PatchSource& source, const void* dy, const MutableConvFilters& gradient)
      : math_(math),
        f_(*math.sums),
        shape_(shape),
        source_(source),
        planes_(layout == ConvLayout::nchw),
        outs_(shape.k / shape.groups),
        elements_(source.elements()),
        patches_first_(planes_ != (outs_ > 2 * elements_)),
        image_(shape.out_h() * shape.out_w()),
        merged_(!planes_ || shape.n == 1 || 2 * image_ <= f_.max_depth),
        dy_copy_(planes_ && merged_ && shape.n > 1 ? shape.n * shape.k * image_ * math.element : 0),
        dy_(static_cast<const char*>(dy)),
        gradient_(gradient) {
    if (dy_copy_.data()) merge_images();
    find_steps();
    rows_ = patches_first_ ? elements_ : outs_;
    cols_ = patches_first_ ? outs_ : elements_;
    pitch_ = round_up(cols_, f_.nr);
    plan();
  }

  void run() const {
    const int64_t row_blocks = ceil_div(rows_, row_block_),
                  col_blocks = ceil_div(cols_, col_block_);
    const int64_t distance = rows_ * pitch_;
    const Scratch sums(shape_.groups * parts_ * distance * f_.acc);
    parallel_tasks(shape_.groups * parts_ * row_blocks * col_blocks, [&](int64_t t) {
      const int64_t row = t % row_blocks * row_block_;
      const int64_t col = t / row_blocks % col_blocks * col_block_;
      const int64_t matrix = t / row_blocks / col_blocks;
      GemmOutput out;
      out.c = sums.data() + matrix * distance * f_.acc;
      out.row_stride = pitch_;
      out.col_stride = 1;
      multiply(matrix / parts_, matrix % parts_, row, std::min(row_block_, rows_ - row), col,
               std::min(col_block_, cols_ - col), out);
    });
    finish(sums.data(), distance);
  }

 private:
  // Images of few pixels are joined: out by out, the pixels of all images side by side.
  void merge_images() {
    const int64_t bytes = image_ * math_.element;
    parallel_for(shape_.k, std::max<int64_t>(1, kTaskWork / (shape_.n * bytes)),
                 [&](int64_t k, int64_t end) {
                   for (; k < end; ++k) {
                     for (int64_t n = 0; n < shape_.n; ++n) {
                       std::copy_n(dy_ + (n * shape_.k + k) * bytes, bytes,
                                   dy_copy_.data() + (k * shape_.n + n) * bytes);
                     }
                   }
                 });
    dy_ = dy_copy_.data();
  }

  void find_steps() {
    const int64_t pixels = shape_.n * image_, run = merged_ ? pixels : image_;
    const int64_t most = patches_first_ ? f_.max_depth : f_.max_depth / 2;
    const int64_t depth = even_block(run, ceil_div(run, most), 8);
    for (int64_t first = 0; first < pixels; first += run) {
      for (int64_t p = 0; p < run; p += depth) {
        steps_.push_back({first + p, std::min(depth, run - p)});
      }
    }
    depth_ = depth;
  }

  void plan() {
    const int64_t steps = static_cast<int64_t>(steps_.size());
    const int64_t bytes = shape_.groups * rows_ * pitch_ * f_.acc;
    parts_ = std::clamp<int64_t>(std::min(steps / kPartSteps, kPartBytes / bytes), 1,
                                 ceil_div(kParts, shape_.groups));
    part_steps_ = ceil_div(steps, parts_);
    parts_ = ceil_div(steps, part_steps_);

    const int64_t col_most = patches_first_ ? kCols : kSums / kRows;
    col_block_ = even_block(cols_, ceil_div(cols_, col_most), f_.nr);
    const int64_t row_most = patches_first_ ? kSums / col_block_ : kRows;
    row_block_ = even_block(rows_, ceil_div(rows_, row_most), f_.mr);
    const int64_t wanted = wanted_tasks();
    const int64_t depth = part_steps_ * depth_;
    while (shape_.groups * parts_ * ceil_div(rows_, row_block_) * ceil_div(cols_, col_block_) <
               wanted &&
           row_block_ * col_block_ * depth >= 2 * kTaskWork) {
      if (row_block_ > f_.mr && row_block_ >= col_block_) {
        row_block_ = even_block(row_block_, 2, f_.mr);
      } else if (col_block_ > f_.nr) {
        col_block_ = even_block(col_block_, 2, f_.nr);
      } else {
        break;
      }
    }
  }

  void multiply(int64_t group, int64_t part, int64_t row, int64_t rows, int64_t col, int64_t cols,
                const GemmOutput& out) const {
    const int64_t chunk = patches_first_ ? std::min(rows, round_up(kRows, f_.mr)) : rows;
    const int64_t a_bytes = packed_a_bytes(f_, chunk), b_bytes = packed_b_bytes(f_, cols, depth_);
    const int64_t copied_bytes = round_up(copy_bytes(chunk, cols), 64);
    const int64_t sums = round_up(rows, f_.mr) * round_up(cols, f_.nr) * f_.acc;
    const Scratch scratch(a_bytes + b_bytes + copied_bytes + sums);
    char* const a = scratch.data();
    char* const b = a + a_bytes;
    char* const copied = b + b_bytes;
    PatchSource source = source_;
    source.data += group * source_.group_stride * math_.element;

    GemmBlock block{.cols = cols, .a = a, .b = b, .out = &out, .col = col};
    const int64_t first = part * part_steps_;
    const int64_t last = std::min<int64_t>(first + part_steps_, std::ssize(steps_));
    for (int64_t s = first; s < last; ++s) {
      const PixelStep& step = steps_[static_cast<size_t>(s)];
      block.depth = step.depth;
      block.first = s == first;
      block.last = s + 1 == last;
      if (patches_first_) {
        pack_dy(f_.pack_b, step, group * outs_ + col, cols, b);
      } else {
        pack_dy(f_.pack_a, step, group * outs_ + row, rows, a);
        pack_patch_columns(source, step, col, cols, copied, b);
      }
      char* partial = copied + copied_bytes;
      for (int64_t i = 0; i < rows; i += chunk) {
        block.rows = std::min(chunk, rows - i);
        block.row = row + i;
        block.partial = partial;
        if (patches_first_) pack_patch_rows(source, step, row + i, block.rows, copied, a);
        f_.multiply(block);
        partial += round_up(block.rows, f_.mr) * round_up(cols, f_.nr) * f_.acc;
      }
    }
  }

  using Pack = decltype(GemmKernels::pack_a);

  void pack_dy(Pack pack, const PixelStep& step, int64_t out, int64_t outs, char* to) const {
    const int64_t image = merged_ ? 0 : step.pixel / image_, pixel = step.pixel - image * image_;
    const int64_t plane = merged_ ? shape_.n * image_ : image_;
    const int64_t at = planes_ ? (image * shape_.k + out) * plane + pixel : pixel * shape_.k + out;
    pack(dy_ + at * math_.element, planes_ ? plane : 1, planes_ ? 1 : shape_.k, false, outs,
         step.depth, to);
  }

  // Whether patches are copied straight to where they are multiplied, or packed from a copy.
  bool straight_rows() const { return planes_ && math_.packs_rows(); }
  bool straight_columns() const { return !planes_ && math_.packs_panels(); }
  int64_t copy_bytes(int64_t rows, int64_t cols) const {
    if (patches_first_ ? straight_rows() : straight_columns()) return 0;
    return (patches_first_ ? rows : cols) * round_up(depth_, 64) * math_.element;
  }

  void pack_patch_rows(const PatchSource& source, const PixelStep& step, int64_t element,
                       int64_t elements, char* copied, char* a) const {
    if (!straight_rows()) return pack_copy(f_.pack_a, source, step, element, elements, copied, a);
    math_.copy->planes(source, step.pixel, step.depth, element, element + elements,
                       {a, round_up(depth_, 64), math_.row_pitch(), 0});
  }

  void pack_patch_columns(const PatchSource& source, const PixelStep& step, int64_t element,
                          int64_t elements, char* copied, char* b) const {
    if (!straight_columns()) {
      return pack_copy(f_.pack_b, source, step, element, elements, copied, b);
    }
    for (int64_t j = 0; j < elements; j += f_.nr) {
      const int64_t count = std::min<int64_t>(f_.nr, elements - j);
      math_.copy->rows(source, step.pixel, step.depth, element + j, element + j + count, f_.nr,
                       b + packed_b_bytes(f_, j, step.depth), f_.nr);
    }
  }

  void pack_copy(Pack pack, const PatchSource& source, const PixelStep& step, int64_t element,
                 int64_t elements, char* copied, char* to) const {
    const int64_t pitch = planes_ ? round_up(depth_, 64) : elements;
    if (planes_) {
      math_.copy->planes(source, step.pixel, step.depth, element, element + elements,
                         {copied, pitch, pitch, 0});
    } else {
      math_.copy->rows(source, step.pixel, step.depth, element, element + elements, elements,
                       copied, pitch);
    }
    pack(copied, planes_ ? pitch : 1, planes_ ? 1 : pitch, false, elements, step.depth, to);
  }

  void finish(char* sums, int64_t distance) const {
    // Where the elements of a patch lie in a filter.
    std::vector<int64_t> offsets;
    const int64_t channels = source_.channels, taps_w = source_.taps_w;
    const int64_t taps = source_.taps_h * taps_w;
    for (int64_t e = 0; e < elements_; ++e) {
      const int64_t c = planes_ ? e / taps : e % channels;
      const int64_t tap = planes_ ? e % taps : e / channels;
      offsets.push_back(c * gradient_.c_stride + tap / taps_w * gradient_.r_stride +
                        tap % taps_w * gradient_.s_stride);
    }
    const int64_t rows = std::clamp<int64_t>(kTaskWork / 4 / (parts_ * cols_), 1, rows_);
    const int64_t chunks = ceil_div(rows_, rows);
    parallel_tasks(shape_.groups * chunks, [&](int64_t t) {
      const int64_t group = t / chunks, row = t % chunks * rows;
      GemmOutput out;
      out.c = static_cast<char*>(gradient_.data) +
              group * outs_ * gradient_.k_stride * math_.kernels->store;
      (patches_first_ ? out.row_offsets : out.col_offsets) = offsets.data();
      (patches_first_ ? out.col_stride : out.row_stride) = gradient_.k_stride;
      char* const from = sums + (group * parts_ * distance + row * pitch_) * f_.acc;
      math_.kernels->finish_parts(from, parts_, distance, std::min(rows, rows_ - row), cols_,
                                  pitch_, out, row, 0);
    });
  }

  const ConvMath& math_;
  const GemmKernels& f_;
  const Conv2dShape& shape_;
  const PatchSource& source_;
  const bool planes_;
  const int64_t outs_, elements_;
  const bool patches_first_;  // patches are A, dy is B
  const int64_t image_;
  const bool merged_;
  Scratch dy_copy_;
  const char* dy_;
  const MutableConvFilters gradient_;
  std::vector<PixelStep> steps_;
  int64_t depth_ = 0, rows_ = 0, cols_ = 0, pitch_ = 0;
  int64_t parts_ = 1, part_steps_ = 1, row_block_ = 1, col_block_ = 1;
};

// 1 in each type.
const void* one_of(ConvType type) {
  static const float f32 = 1;
  static const double f64 = 1;
  static const uint16_t bf16 = 0x3f80, f16 = 0x3c00;
  switch (type) {
    case ConvType::f32:
      return &f32;
    case ConvType::f64:
      return &f64;
    case ConvType::bf16:
      return &bf16;
    case ConvType::f16:
      break;
  }
  return &f16;
}

}  // namespace

void conv2d_grad_filters(ConvType type, ConvLayout layout, const Conv2dShape& shape, const void* x,
                         const void* dy, const MutableConvFilters& gradient) {
  if (shape.k == 0 || shape.c == 0 || shape.r == 0 || shape.s == 0) return;
  const ForwardPatches patches(layout, shape, x);
  conv2d_grad_filters(type, layout, shape, patches.source, dy, gradient);
}

void conv2d_grad_filters(ConvType type, ConvLayout layout, const Conv2dShape& shape,
                         const PatchSource& source, const void* dy,
                         const MutableConvFilters& gradient) {
  const ConvMath math(type);
  if (correlates(type, layout, shape, source))
    return correlate_grad_filters(type, shape, source, dy, gradient);
  if (fills_lanes(type, layout, shape))
    return lanes_grad_filters(type, shape, source, dy, gradient);
  FilterGradient(math, layout, shape, source, dy, gradient).run();
}

bool conv2d_grad_filters_prefers_nchw(ConvType type, const Conv2dShape& shape) {
  const ForwardPatches patches(ConvLayout::nchw, shape, nullptr);
  return !fills_lanes(type, ConvLayout::nhwc, shape) &&
         (shape.groups > 1 || correlates(type, ConvLayout::nchw, shape, patches.source));
}

void conv2d_grad_bias(ConvType type, ConvLayout layout, const Conv2dShape& shape, const void* dy,
                      void* gradient) {
  const int64_t image = shape.out_h() * shape.out_w();
  const Matrix ones{one_of(type), 0, 0};
  const GemmType product = gemm_type_of(type, false);
  if (layout == ConvLayout::nhwc) {
    return gemm(product, 1, shape.k, shape.n * image, 1, ones, {dy, shape.k, 1}, 0,
                {gradient, 0, 1});
  }
  // The sums of each image, then their sum.
  const GemmKernels& f = gemm_kernels(product);
  const int64_t pitch = round_up(shape.k, f.nr);
  const Scratch sums(std::max<int64_t>(1, shape.n) * pitch * f.acc);
  const BatchDim images{.size = shape.n, .a = 0, .b = shape.k * image, .c = pitch};
  if (shape.n == 0) std::fill_n(sums.data(), pitch * f.acc, 0);
  gemm_batched(gemm_type_of(type, true), 1, &images, 1, shape.k, image, 1, ones, {dy, 1, image}, 0,
               {sums.data(), 0, 1});
  GemmOutput out;
  out.c = static_cast<char*>(gradient);
  out.col_stride = 1;
  f.finish_parts(sums.data(), std::max<int64_t>(1, shape.n), pitch, 1, shape.k, pitch, out, 0, 0);
}

}  // namespace flambeau::inline v1::cpu
