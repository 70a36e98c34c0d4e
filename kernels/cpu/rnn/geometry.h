// How one layer of a recurrent network lies in memory.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/tensor/tensor.h"
#include "kernels/cpu/matmul/gemm/gemm.h"

namespace flambeau::inline v1::cpu {

enum class RnnKind : int64_t { relu, tanh, lstm, gru };

// A run of gates that a product with the input fills: rows of the weight, and columns of a row of
// gates, where they are in another order.
struct GateRun {
  int64_t weight_row, column, count;
};

// Note [Rows of a layer]
// All steps lie one after the other: step t is the rows from first(t) on, of which there are
// active(t). In packed sequences there are fewer from step to step; the first rows are the longest
// sequences. A row of gates has `columns` columns, those that the state is multiplied into first:
// GRU has what the state and what the input gives to its new state apart, the latter at the end.
// What a gradient needs besides stands behind them in a row: the cell state of LSTM, and the state
// that a projection is made of.
struct RnnGeometry {
  RnnKind kind;
  int64_t steps, batch, inputs, units, state, directions;
  bool projected, keeps;
  std::vector<int64_t> offset;

  int64_t rows() const { return offset.back(); }
  int64_t active(int64_t t) const {
    const auto i = static_cast<size_t>(t);
    return offset[i + 1] - offset[i];
  }
  int64_t first(int64_t t) const { return offset[static_cast<size_t>(t)]; }
  bool ragged() const { return rows() != steps * batch; }

  int64_t hidden_columns() const {
    return units * (kind == RnnKind::lstm ? 4 : kind == RnnKind::gru ? 3 : 1);
  }
  int64_t columns() const { return hidden_columns() + (kind == RnnKind::gru ? units : 0); }
  bool plain() const { return kind == RnnKind::relu || kind == RnnKind::tanh; }
  // A row of what is kept for the gradient.
  int64_t kept_columns() const {
    if (plain()) return 0;
    return columns() + (kind == RnnKind::lstm ? units : 0) + (projected ? units : 0);
  }
  std::vector<GateRun> runs() const {
    if (kind == RnnKind::gru) return {{0, 0, 2 * units}, {2 * units, 3 * units, units}};
    return {{0, 0, columns()}};
  }
  // The step that is i-th in the order of a direction.
  int64_t step(int64_t direction, int64_t i) const { return direction == 0 ? i : steps - 1 - i; }

  int64_t multiplications() const { return hidden_columns() * state; }  // of a row of one step
  // Rows are shared among so many tasks, which each walk through all steps.
  int64_t row_tasks(size_t element) const {
    const bool near = multiplications() * static_cast<int64_t>(element) <= int64_t{1} << 20;
    const int64_t by_rows =
        near ? std::min<int64_t>(batch / 4, 8) : std::min<int64_t>(batch / 8, 4);
    const int64_t by_work = rows() * multiplications() / 65536;
    return std::max<int64_t>(1, std::min(by_rows, by_work));
  }
  // Too few rows to share: the units of each step are shared instead.
  bool by_units(int64_t tasks) const {
    return tasks == 1 && directions == 1 && steps > 1 && batch * multiplications() >= 1 << 18;
  }
};

template <class T>
constexpr GemmType kGemm = sizeof(T) == 8 ? GemmType::f64 : GemmType::f32;

}  // namespace flambeau::inline v1::cpu
