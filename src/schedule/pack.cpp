#include "schedule/pack.hpp"

#include <algorithm>
#include <cstring>

#include "ops/leaf.hpp"
#include "schedule/winograd.hpp"

namespace tenon::scheduling {

using namespace ir;

expr_ref panels::first(expr_arena& a, expr_ref panel) const {
  if (narrow()) return a.index(0);
  return a.min(a.mul(panel, a.index(width)), a.sub(columns, a.index(width)));
}

expr_ref groups_of(expr_arena& a, expr_ref steps, int group) {
  return group == 1 ? steps : a.div(a.add(steps, a.index(group - 1)), a.index(group));
}

namespace {
// An operand at a step of the innermost loop that may lie behind the last one, where it is 0.
expr_ref up_to_the_end(computation& c, const product& p, expr_ref load, expr_ref step, int group) {
  expr_arena& a = c.kernel.make();
  const expr_ref steps = p.sum->loop_extent(p.order.back());
  if (c.at_call(steps) % group == 0 && !c.grows(steps)) return load;
  return a.load(load->type, load->payload, load->indices(), a.less(step, steps));
}
}  // namespace

local_pack pack_block(computation& c, const product& p, dtype type, const panels& all, expr_ref begin, expr_ref end,
                      expr_ref most, const depth_block& depth, int lanes,
                      std::vector<std::pair<expr_ref, expr_ref>> at) {
  expr_arena& a = c.kernel.make();
  std::vector<expr_ref> extents{most};
  for (int i : p.order)
    extents.push_back(i == p.order.back() ? groups_of(a, depth.most, all.group) : p.sum->loop_extent(i));
  extents.push_back(a.index(all.width));
  if (all.group > 1) extents.push_back(a.index(all.group));
  local_pack result{c.kernel.add_buffer("packed", type, scope::scratch, extents), nullptr};

  const expr_ref panel = a.fresh_variable(), column = a.fresh_variable();
  at.emplace_back(c.axes[static_cast<std::size_t>(p.column)].variable, a.add(all.first(a, panel), column));
  std::vector<expr_ref> indices{a.sub(panel, begin)}, reduction;
  for (std::size_t i = 0; i < p.order.size(); ++i) {
    reduction.push_back(a.fresh_variable());
    indices.push_back(reduction.back());
  }
  indices.push_back(column);
  const expr_ref in_group = all.group > 1 ? a.fresh_variable() : a.index(0);
  if (all.group > 1) indices.push_back(in_group);
  const expr_ref step = a.add(depth.begin, a.add(a.mul(reduction.back(), a.index(all.group)), in_group));
  for (std::size_t i = 0; i < p.order.size(); ++i)
    at.emplace_back(p.sum->loop_variable(p.order[i]), i + 1 == p.order.size() ? step : reduction[i]);
  const auto buffer_id = result.buffer;
  const expr_ref value = up_to_the_end(c, p, a.substitute(p.b.load, at), step, all.group);
  stmt_ref s = make_stmt(store{buffer_id, indices, a.cast(type, value), a.boolean(true)});
  // Whole vectors: what the tile's width is a multiple of.
  int width = lanes;
  while (all.group == 1 && all.width % (2 * width) == 0 && width < 4 * lanes) width *= 2;
  if (all.group > 1) s = make_stmt(loop{in_group, a.index(0), a.index(all.group), loop_kind::unrolled, 1, s});
  const expr_ref columns = all.narrow() ? all.columns : a.index(all.width);
  s = make_stmt(loop{column, a.index(0), columns, loop_kind::vectorized, width, s});
  // The lines that a later step will copy: short stretches of rows that lie far apart are foreseen by no prefetcher.
  if (p.unit_columns && !all.narrow() && all.group == 1) {
    constexpr extent_t steps_ahead = 12, line = 64;
    std::vector<stmt_ref> list;
    for (extent_t at_column = 0; at_column < all.width; at_column += line / size_of(p.b.load->type)) {
      const std::pair<expr_ref, expr_ref> later[] = {{column, a.index(at_column)},
                                                     {reduction.back(), a.add(reduction.back(), a.index(steps_ahead))}};
      expr_ref ahead = a.substitute(value, later);
      list.push_back(make_stmt(prefetch{ahead->payload, {ahead->indices().begin(), ahead->indices().end()}}));
    }
    list.push_back(s);
    s = make_block(std::move(list));
  }
  const auto over_panels = [&] { s = make_stmt(loop{panel, begin, end, loop_kind::serial, 1, s}); };
  // Rows of b are read along their length where they have one, else a panel at a time.
  if (p.unit_columns) over_panels();
  for (std::size_t i = p.order.size(); i-- > 0;) {
    const expr_ref steps =
        i + 1 == p.order.size() ? groups_of(a, depth.extent, all.group) : p.sum->loop_extent(p.order[i]);
    s = make_stmt(loop{reduction[i], a.index(0), steps, loop_kind::serial, 1, s});
  }
  if (!p.unit_columns) over_panels();
  result.fill = s;
  return result;
}

bool is_constant_operand(const computation& c, const product& p) {
  const std::int64_t id = p.b.load->payload;
  const node* stored = c.parameters[static_cast<std::size_t>(id)].stored;
  if (!stored || stored->op != &constant_definition()) return false;
  if (!p.b.load->mask()->is_true()) return false;
  for (std::size_t d = 0; d < p.b.axis.size(); ++d)
    if (static_cast<int>(d) != p.column && static_cast<int>(d) != batch_axis(p) && !p.b.axis[d]->is_constant(0))
      return false;
  const expr_ref roots[] = {c.value};
  for (expr_ref e : post_order(roots))
    if (e->is(expr_kind::load) && e->payload == id && e != p.b.load) return false;
  return true;
}

int batch_axis(const product& p) {
  int found = -1;
  for (std::size_t d = 0; d < p.b.axis.size(); ++d) {
    if (static_cast<int>(d) == p.column || p.b.axis[d]->is_constant(0)) continue;
    if (found >= 0) return -1;
    found = static_cast<int>(d);
  }
  return found;
}

local_pack copy_rows(computation& c, const product& p, dtype type, expr_ref first, int count, const depth_block& depth,
                     int group, int lanes, std::vector<std::pair<expr_ref, expr_ref>> at) {
  expr_arena& a = c.kernel.make();
  const auto whole = [&](expr_ref steps) { return a.mul(groups_of(a, steps, group), a.index(group)); };
  const expr_ref row = a.fresh_variable(), step = a.fresh_variable(), rows = a.index(count);
  local_pack result{c.kernel.add_buffer("rows", type, scope::scratch, {rows, whole(depth.most)}), nullptr};
  if (p.row >= 0) at.emplace_back(c.axes[static_cast<std::size_t>(p.row)].variable, a.add(first, row));
  const expr_ref of_all = a.add(depth.begin, step);
  at.emplace_back(p.sum->loop_variable(0), of_all);
  const expr_ref value = up_to_the_end(c, p, a.substitute(p.a.load, at), of_all, group);
  stmt_ref s = make_stmt(store{result.buffer, {row, step}, a.cast(type, value), a.boolean(true)});
  s = make_stmt(loop{step, a.index(0), whole(depth.extent), loop_kind::vectorized, lanes, s});
  result.fill = make_stmt(loop{row, a.index(0), rows, loop_kind::serial, 1, s});
  return result;
}

constant_packing pack_constant(computation& c, const product& p, const panels& all) {
  const std::int64_t id = p.b.load->payload;
  constant_packing made;
  made.parameter = static_cast<std::size_t>(id);
  made.width = all.width;
  made.group = all.group;
  made.columns = all.columns_at_call;
  made.column_stride = c.at_call(p.b.axis[static_cast<std::size_t>(p.column)]);
  expr_arena& a = c.kernel.make();
  buffer& b = c.kernel.buffers[static_cast<std::size_t>(id)];
  // All indices at 0: where the product begins to read.
  std::vector<std::pair<expr_ref, expr_ref>> zeros;
  for (const computation::axis& x : c.axes)
    if (x.variable->is(expr_kind::variable)) zeros.emplace_back(x.variable, a.index(0));
  for (int i = 0; i < p.sum->loops(); ++i) zeros.emplace_back(p.sum->loop_variable(i), a.index(0));
  made.offset = c.at_call(a.substitute(linear_index(a, b, p.b.load->indices()), zeros));
  std::vector<expr_ref> extents{all.count};
  if (const int d = batch_axis(p); d >= 0) {
    const auto batch = static_cast<std::size_t>(d);
    made.batches = c.axes[batch].size;
    made.batch_stride = c.at_call(p.b.axis[batch]);
    extents.insert(extents.begin(), c.axes[batch].extent);
  }
  for (int i : p.order) {
    made.reduction.emplace_back(c.at_call(p.sum->loop_extent(i)),
                                c.at_call(p.b.reduction[static_cast<std::size_t>(i)]));
    extents.push_back(i == p.order.back() ? groups_of(a, p.sum->loop_extent(i), all.group) : p.sum->loop_extent(i));
  }
  extents.push_back(a.index(all.width));
  if (all.group > 1) extents.push_back(a.index(all.group));
  b.extents = std::move(extents);
  b.strides.clear();
  return made;
}

int packed_steps_ahead(const machine_model& m, const panels& all, extent_t depth, int element_bytes) {
  constexpr std::int64_t bytes_from_l2 = 1 << 10, bytes_from_behind = 4 << 10;
  const std::int64_t step = std::int64_t{all.width} * element_bytes;
  if (depth * step <= m.l1_bytes / 2) return 0;
  const bool behind = depth * all.columns_at_call * element_bytes > m.l2_bytes / 2;
  return static_cast<int>(std::max<std::int64_t>(1, (behind ? bytes_from_behind : bytes_from_l2) / step));
}

expr_ref packed_operand(computation& c, const product& p, std::int64_t buffer, expr_ref batch, expr_ref panel,
                        const std::vector<expr_ref>& reduction, expr_ref column, expr_ref in_group) {
  std::vector<expr_ref> indices;
  if (batch) indices.push_back(batch);
  indices.push_back(panel);
  indices.insert(indices.end(), reduction.begin(), reduction.end());
  indices.push_back(column);
  if (in_group) indices.push_back(in_group);
  expr_arena& a = c.kernel.make();
  return a.cast(p.b.value->type, a.load(c.kernel.buffers[static_cast<std::size_t>(buffer)].type, buffer, indices));
}

namespace {
extent_t whole_groups(const constant_packing& p, std::size_t axis) {
  const extent_t extent = p.reduction[axis].first;
  return axis + 1 == p.reduction.size() ? (extent + p.group - 1) / p.group : extent;
}
}  // namespace

std::int64_t constant_packing::elements() const {
  std::int64_t n = (columns + width - 1) / width * width * group;
  for (std::size_t i = 0; i < reduction.size(); ++i) n *= whole_groups(*this, i);
  const int points = winograd_outputs ? winograd(winograd_outputs, winograd_taps).points() : 1;
  return n * points * points * batches;
}

namespace {

/// kernel . taps . kernel^T of each element, into a plane for each point.
template <class T>
void transform(const constant_packing& how, const T* from, T* to) {
  const winograd w(how.winograd_outputs, winograd_taps);
  const auto n = static_cast<std::size_t>(w.points());
  const auto& [channels, channel_stride] = how.reduction.front();
  const extent_t plane = channels * how.columns;
  for (extent_t c = 0; c < channels; ++c)
    for (extent_t o = 0; o < how.columns; ++o) {
      const T* taps = from + how.offset + c * channel_stride + o * how.column_stride;
      double half[8][winograd_taps]{};
      for (std::size_t i = 0; i < n; ++i)
        for (int x = 0; x < winograd_taps; ++x)
          for (int y = 0; y < winograd_taps; ++y)
            half[i][x] += w.kernel[i][y] * static_cast<double>(taps[y * how.tap_strides[0] + x * how.tap_strides[1]]);
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < n; ++j) {
          double sum = 0;
          for (int x = 0; x < winograd_taps; ++x) sum += half[i][x] * w.kernel[j][x];
          to[static_cast<extent_t>(i * n + j) * plane + c * how.columns + o] = static_cast<T>(sum);
        }
    }
}

}  // namespace

void constant_packing::pack_batches(const void* from, void* to, int element_bytes) const {
  constant_packing one = *this;
  one.batches = 1;
  for (extent_t i = 0; i < batches; ++i) {
    one.pack(from, static_cast<std::byte*>(to) + i * one.elements() * element_bytes, element_bytes);
    one.offset += batch_stride;
  }
}

void constant_packing::pack_points(const void* from, void* to, int element_bytes) const {
  constant_packing plain{.width = width, .columns = columns, .reduction = {{reduction.front().first, columns}}};
  const std::int64_t points = elements() / plain.elements();
  const std::int64_t plane = reduction.front().first * columns * element_bytes;
  std::vector<std::byte> planes(static_cast<std::size_t>(points * plane));
  if (element_bytes == 4)
    transform(*this, static_cast<const float*>(from), reinterpret_cast<float*>(planes.data()));
  else
    transform(*this, static_cast<const double*>(from), reinterpret_cast<double*>(planes.data()));
  for (std::int64_t p = 0; p < points; ++p)
    plain.pack(planes.data() + p * plane, static_cast<std::byte*>(to) + p * plain.elements() * element_bytes,
               element_bytes);
}

void constant_packing::pack(const void* from, void* to, int element_bytes) const {
  if (batches > 1) return pack_batches(from, to, element_bytes);
  if (winograd_outputs) return pack_points(from, to, element_bytes);
  const auto* source = static_cast<const std::byte*>(from) + offset * element_bytes;
  auto* out = static_cast<std::byte*>(to);
  const auto bytes = static_cast<std::size_t>(element_bytes);
  std::int64_t rows = 1;
  for (std::size_t i = 0; i < reduction.size(); ++i) rows *= whole_groups(*this, i);
  const extent_t present = std::min<extent_t>(columns, width);
  for (extent_t first = 0; first < columns; first += width) {
    const extent_t begin = columns <= width ? 0 : std::min<extent_t>(first, columns - width);
    for (std::int64_t row = 0; row < rows; ++row) {
      std::int64_t at = begin * column_stride, rest = row;
      int present_steps = group;
      for (std::size_t i = reduction.size(); i-- > 0;) {
        const extent_t extent = whole_groups(*this, i), step = rest % extent * (i + 1 == reduction.size() ? group : 1);
        if (i + 1 == reduction.size())
          present_steps = static_cast<int>(std::min<extent_t>(group, reduction[i].first - step));
        at += step * reduction[i].second;
        rest /= extent;
      }
      const std::byte* s = source + at * element_bytes;
      if (group > 1) {
        const std::int64_t stride = reduction.back().second;
        std::memset(out, 0, bytes * static_cast<std::size_t>(present * group));
        for (extent_t k = 0; k < present; ++k)
          for (int u = 0; u < present_steps; ++u)
            std::memcpy(out + (k * group + u) * element_bytes, s + (k * column_stride + u * stride) * element_bytes,
                        bytes);
      } else if (column_stride == 1) {
        std::memcpy(out, s, bytes * static_cast<std::size_t>(present));
      } else {
        for (extent_t k = 0; k < present; ++k)
          std::memcpy(out + k * element_bytes, s + k * column_stride * element_bytes, bytes);
      }
      std::memset(out + present * group * element_bytes, 0,
                  bytes * static_cast<std::size_t>((width - present) * group));
      out += bytes * static_cast<std::size_t>(width * group);
    }
  }
}

}  // namespace tenon::scheduling
