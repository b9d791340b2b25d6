#include "onnx/proto.hpp"

#include <fmt/format.h>

#include "onnx/wire.hpp"

namespace tenon::onnx {
namespace {

// Field numbers as onnx.proto has them.
operator_set read_operator_set(std::string_view message) {
  operator_set s;
  wire_reader r(message);
  for (field f; r.next(f);) {
    if (f.number == 1) s.domain = f.bytes;
    if (f.number == 2) s.version = f.integer();
  }
  return s;
}
attribute read_attribute(std::string_view message) {
  attribute a;
  a.message = message;
  wire_reader r(message);
  for (field f; r.next(f);) switch (f.number) {
      case 1:
        a.name = f.bytes;
        break;
      case 2:
        a.real = f.real();
        break;
      case 3:
        a.integer = f.integer();
        break;
      case 4:
        a.text = f.bytes;
        break;
      case 5:
        a.tensor = f.bytes;
        break;
      case 6:
        a.graph = f.bytes;
        break;
      case 21:
        a.is_reference = true;
        a.text = f.bytes;
        break;
      default:
        break;
    }
  return a;
}
dimension read_dimension(std::string_view message) {
  dimension d;
  wire_reader r(message);
  for (field f; r.next(f);) {
    if (f.number == 1) d.value = f.integer();
    if (f.number == 2) d.name = f.bytes;
  }
  return d;
}
void read_tensor_type(std::string_view message, value_info& v) {
  std::int64_t element = 0;
  wire_reader r(message);
  for (field f; r.next(f);) {
    if (f.number == 1) element = f.integer();
    if (f.number != 2) continue;
    v.has_shape = true;
    wire_reader shape(f.bytes);
    for (field d; shape.next(d);)
      if (d.number == 1) v.shape.push_back(read_dimension(d.bytes));
  }
  v.element = element_type(element);
  v.what = element_name(element);
}

}  // namespace

std::vector<std::int64_t> attribute::integers() const {
  std::vector<std::int64_t> l;
  wire_reader r(message);
  for (field f; r.next(f);)
    if (f.number == 8) for_each_number(f, wire::varint, [&](const field& e) { l.push_back(e.integer()); });
  return l;
}
std::vector<float> attribute::reals() const {
  std::vector<float> l;
  wire_reader r(message);
  for (field f; r.next(f);)
    if (f.number == 7) for_each_number(f, wire::fixed32, [&](const field& e) { l.push_back(e.real()); });
  return l;
}
std::vector<std::string_view> attribute::texts() const {
  std::vector<std::string_view> l;
  wire_reader r(message);
  for (field f; r.next(f);)
    if (f.number == 9) l.push_back(f.bytes);
  return l;
}

node read_node(std::string_view message) {
  node n;
  wire_reader r(message);
  for (field f; r.next(f);) switch (f.number) {
      case 1:
        n.inputs.push_back(f.bytes);
        break;
      case 2:
        n.outputs.push_back(f.bytes);
        break;
      case 3:
        n.name = f.bytes;
        break;
      case 4:
        n.op = f.bytes;
        break;
      case 5:
        n.attributes.push_back(read_attribute(f.bytes));
        break;
      case 7:
        n.domain = f.bytes;
        break;
      default:
        break;
    }
  return n;
}

value_info read_value_info(std::string_view message) {
  value_info v;
  v.what = "no tensor";
  wire_reader r(message);
  for (field f; r.next(f);) {
    if (f.number == 1) v.name = f.bytes;
    if (f.number != 2) continue;
    constexpr std::string_view kinds[] = {"", "tensor", "", "", "sequence", "map", "", "", "sparse tensor", "optional"};
    wire_reader type(f.bytes);
    for (field t; type.next(t);) {
      if (t.number == 1)
        read_tensor_type(t.bytes, v);
      else if (t.number < std::size(kinds) && !kinds[t.number].empty())
        v.what = kinds[t.number];
    }
  }
  return v;
}

graph read_graph(std::string_view message) {
  graph g;
  g.message = message;
  wire_reader r(message);
  for (field f; r.next(f);) {
    if (f.number == 2) g.name = f.bytes;
    if (f.number == 11) g.inputs.push_back(f.bytes);
    if (f.number == 12) g.outputs.push_back(f.bytes);
  }
  return g;
}
graph read_function(std::string_view message) {
  graph g;
  g.message = message;
  g.is_function = true;
  wire_reader r(message);
  for (field f; r.next(f);) {
    if (f.number == 1) g.name = f.bytes;
    if (f.number == 4) g.inputs.push_back(f.bytes);
    if (f.number == 5) g.outputs.push_back(f.bytes);
  }
  return g;
}
std::vector<std::string_view> initializer_names(const graph& g) {
  std::vector<std::string_view> names;
  wire_reader r(g.message);
  for (field f; r.next(f);) {
    if (f.number != 5) continue;
    wire_reader tensor(f.bytes);
    for (field t; tensor.next(t);)
      if (t.number == 8) names.push_back(t.bytes);
  }
  return names;
}
std::vector<operator_set> read_operator_sets(std::string_view message) {
  std::vector<operator_set> sets;
  wire_reader r(message);
  for (field f; r.next(f);)
    if (f.number == 9) sets.push_back(read_operator_set(f.bytes));
  return sets;
}

model read_model(std::string_view message) {
  model m;
  wire_reader r(message);
  for (field f; r.next(f);) {
    if (f.number == 7) {
      m.graph = f.bytes;
      m.has_graph = true;
    }
    if (f.number == 8) m.sets.push_back(read_operator_set(f.bytes));
    if (f.number != 25) continue;
    function def;
    def.message = f.bytes;
    wire_reader parts(f.bytes);
    for (field p; parts.next(p);) {
      if (p.number == 1) def.name = p.bytes;
      if (p.number == 10) def.domain = p.bytes;
    }
    m.functions.push_back(def);
  }
  return m;
}

namespace {
struct type_name {
  std::string_view name;
  dtype type;
};
// By TensorProto.DataType.
constexpr type_name element_types[] = {{"undefined", any_dtype},
                                       {"float", f32},
                                       {"uint8", u8},
                                       {"int8", i8},
                                       {"uint16", u16},
                                       {"int16", i16},
                                       {"int32", i32},
                                       {"int64", i64},
                                       {"string", any_dtype},
                                       {"bool", b8},
                                       {"float16", f16},
                                       {"double", f64},
                                       {"uint32", u32},
                                       {"uint64", u64},
                                       {"complex64", any_dtype},
                                       {"complex128", any_dtype},
                                       {"bfloat16", bf16},
                                       {"float8e4m3fn", any_dtype},
                                       {"float8e4m3fnuz", any_dtype},
                                       {"float8e5m2", any_dtype},
                                       {"float8e5m2fnuz", any_dtype},
                                       {"uint4", any_dtype},
                                       {"int4", any_dtype}};
}  // namespace

dtype element_type(std::int64_t t) {
  return t < 0 || t >= static_cast<std::int64_t>(std::size(element_types)) ? any_dtype : element_types[t].type;
}
std::string element_name(std::int64_t t) {
  if (t < 0 || t >= static_cast<std::int64_t>(std::size(element_types))) return fmt::format("type {}", t);
  return std::string(element_types[t].name);
}

}  // namespace tenon::onnx
