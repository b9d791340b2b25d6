// Damaged ONNX files: bit flips, truncations, pieces doubled, dropped and exchanged, numbers made huge; and messages
// taken apart and put together with other fields, names and numbers. An import gives a model or throws an error of ours
// with a text; it neither crashes nor takes more memory than twice the file's size and 64 MiB.
//
//   onnx_mutations [FIRST COUNT]     seeds; 300 in the tests
#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <new>
#include <random>
#include <span>
#include <vector>

#include "tenon/onnx/onnx.hpp"

namespace {

// Every allocation of the process goes through here, those of the libraries too.
std::atomic<std::size_t> live{0}, peak{0};
void* allocated(void* p) {
  if (!p) throw std::bad_alloc();
  const std::size_t now = live.fetch_add(malloc_usable_size(p)) + malloc_usable_size(p);
  for (std::size_t most = peak; now > most && !peak.compare_exchange_weak(most, now);) {
  }
  return p;
}
void released(void* p) {
  if (p) live.fetch_sub(malloc_usable_size(p));
  std::free(p);
}

}  // namespace

void* operator new(std::size_t n) { return allocated(std::malloc(n ? n : 1)); }
void* operator new[](std::size_t n) { return allocated(std::malloc(n ? n : 1)); }
void operator delete(void* p) noexcept { released(p); }
void operator delete[](void* p) noexcept { released(p); }
void operator delete(void* p, std::size_t) noexcept { released(p); }
void operator delete[](void* p, std::size_t) noexcept { released(p); }

namespace {

namespace fs = std::filesystem;
using bytes = std::vector<unsigned char>;
using generator = std::mt19937_64;

constexpr std::size_t room = std::size_t{64} << 20;

std::vector<fs::path> models() {
  std::vector<fs::path> all;
  for (const auto& e : fs::recursive_directory_iterator("/usr/share/libonnx-testdata/data"))
    if (e.path().extension() == ".onnx") all.push_back(e.path());
  std::ranges::sort(all);
  return all;
}
bytes read(const fs::path& p) {
  std::ifstream in(p, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void mutate(bytes& b, generator& r) {
  const auto below = [&](std::size_t n) { return n ? static_cast<std::size_t>(r() % n) : 0; };
  const std::size_t at = below(b.size()), length = std::min(b.size() - at, below(40) + 1);
  if (b.empty()) return;
  switch (below(8)) {
    case 0:
      b[at] = static_cast<unsigned char>(b[at] ^ 1u << below(8));
      break;
    case 1:
      b.resize(at);
      break;
    case 2:
      b[at] = static_cast<unsigned char>(r());
      break;
    case 3: {  // a piece twice
      const bytes piece(b.begin() + static_cast<std::ptrdiff_t>(at),
                        b.begin() + static_cast<std::ptrdiff_t>(at + length));
      b.insert(b.begin() + static_cast<std::ptrdiff_t>(below(b.size())), piece.begin(), piece.end());
      break;
    }
    case 4:
      b.erase(b.begin() + static_cast<std::ptrdiff_t>(at), b.begin() + static_cast<std::ptrdiff_t>(at + length));
      break;
    case 5: {  // a piece over another one: wrong types, dangling names, cycles
      const auto other = b.begin() + static_cast<std::ptrdiff_t>(below(b.size() - length + 1));
      const bytes piece(other, other + static_cast<std::ptrdiff_t>(length));
      std::ranges::copy(piece, b.begin() + static_cast<std::ptrdiff_t>(at));
      break;
    }
    case 6: {  // a huge number
      const unsigned char huge[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f};
      for (std::size_t i = 0; i < std::min(b.size() - at, below(9) + 1); ++i) b[at + i] = huge[i];
      break;
    }
    default:  // the name of another one
      for (std::size_t i = 0; i < length; ++i)
        if (b[at + i] >= 'a' && b[at + i] <= 'z') b[at + i] = static_cast<unsigned char>('a' + below(26));
      break;
  }
}

// Bytes alone seldom leave a message whole. So a message is also taken apart, changed and put together again, with
// lengths that fit: names of other values (dangling ones, cycles), other operators, huge extents, other types.
struct part {
  std::uint64_t key = 0, number = 0;
  bytes data;                // of fixed numbers and of what is no message
  std::vector<part> inside;  // of what reads as one
};
std::uint64_t read_varint(std::span<const unsigned char>& in, bool& ok) {
  std::uint64_t v = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (in.empty()) break;
    const unsigned char c = in[0];
    in = in.subspan(1);
    v |= static_cast<std::uint64_t>(c & 0x7f) << shift;
    if (c < 0x80) return v;
  }
  ok = false;
  return 0;
}
/// The fields of a message; empty when it is none.
std::vector<part> taken_apart(std::span<const unsigned char> in, int depth) {
  std::vector<part> all;
  bool ok = true;
  while (!in.empty() && ok) {
    part p;
    p.key = read_varint(in, ok);
    const unsigned wire = p.key & 7;
    if (p.key < 8 || p.key > 8 * 64 || (wire != 0 && wire != 1 && wire != 2 && wire != 5)) return {};
    if (wire == 0) {
      p.number = read_varint(in, ok);
    } else {
      const std::uint64_t size = wire == 1 ? 8 : wire == 5 ? 4 : read_varint(in, ok);
      if (!ok || size > in.size()) return {};
      p.data.assign(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(size));
      if (wire == 2 && depth > 0) p.inside = taken_apart(in.subspan(0, size), depth - 1);
      in = in.subspan(size);
    }
    all.push_back(std::move(p));
  }
  return ok ? all : std::vector<part>();
}
void put_varint(bytes& to, std::uint64_t v) {
  for (; v > 127; v >>= 7) to.push_back(static_cast<unsigned char>((v & 127) | 128));
  to.push_back(static_cast<unsigned char>(v));
}
bytes put_together(const std::vector<part>& all) {
  bytes to;
  for (const part& p : all) {
    put_varint(to, p.key);
    if ((p.key & 7) == 0) {
      put_varint(to, p.number);
      continue;
    }
    const bytes data = p.inside.empty() ? p.data : put_together(p.inside);
    if ((p.key & 7) == 2) put_varint(to, data.size());
    to.insert(to.end(), data.begin(), data.end());
  }
  return to;
}
void collect(std::vector<part>& all, std::vector<std::vector<part>*>& messages, std::vector<part*>& leaves) {
  messages.push_back(&all);
  for (part& p : all)
    if (p.inside.empty())
      leaves.push_back(&p);
    else
      collect(p.inside, messages, leaves);
}
void mutate_fields(bytes& b, generator& r) {
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(r() % n); };
  constexpr int deepest = 8;
  std::vector<part> whole = taken_apart(b, deepest);
  if (whole.empty()) return mutate(b, r);
  std::vector<std::vector<part>*> messages;
  std::vector<part*> leaves;
  collect(whole, messages, leaves);
  part& leaf = *leaves[below(leaves.size())];
  std::vector<part>& message = *messages[below(messages.size())];
  switch (below(5)) {
    case 0:
      message.erase(message.begin() + static_cast<std::ptrdiff_t>(below(message.size())));
      break;
    case 1: {
      const part again = message[below(message.size())];
      message.insert(message.begin() + static_cast<std::ptrdiff_t>(below(message.size() + 1)), again);
      break;
    }
    case 2:
      std::swap(message[below(message.size())], message[below(message.size())]);
      break;
    default:
      if ((leaf.key & 7) == 0) {
        const std::uint64_t numbers[] = {0,
                                         1,
                                         2,
                                         7,
                                         r() % 32,
                                         ~std::uint64_t{0},
                                         ~std::uint64_t{0} - r() % 100,
                                         std::uint64_t{1} << (r() % 64),
                                         INT64_MAX,
                                         std::uint64_t{1} << 63,
                                         INT32_MAX};
        leaf.number = numbers[below(std::size(numbers))];
      } else if ((leaf.key & 7) == 2) {
        leaf.data = leaves[below(leaves.size())]->data;  // another one's name, operator or elements
      } else {
        for (unsigned char& c : leaf.data) c = static_cast<unsigned char>(r());
      }
  }
  b = put_together(whole);
}

}  // namespace

int main(int argc, char** argv) {
  const unsigned long first = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 0;
  const unsigned long count = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 300;
  const std::vector<fs::path> all = models();
  if (all.empty()) {
    std::printf("no models: apt-get install libonnx-testdata\n");
    return 1;
  }
  unsigned long imported = 0, refused = 0;
  std::size_t most = 0;
  for (unsigned long seed = first; seed < first + count; ++seed) {
    generator r(seed);
    const fs::path& path = all[r() % all.size()];
    bytes b = read(path);
    for (std::size_t n = r() % 4 + 1; n > 0; --n)
      if (seed % 4 == 0)
        mutate(b, r);
      else
        mutate_fields(b, r);
    const std::size_t before = live;
    peak = before;
    try {
      const tenon::onnx_model m = tenon::import_onnx(std::as_bytes(std::span(b)));
      ++imported;
    } catch (const tenon::onnx_error& e) {  // says which nodes, inputs or outputs
      ++refused;
      if (std::string_view(e.what()).find('\'') == std::string_view::npos &&
          std::string_view(e.what()).find("(node ") == std::string_view::npos &&
          std::string_view(e.what()).find("outputs") == std::string_view::npos &&
          std::string_view(e.what()).find("initializers") == std::string_view::npos) {
        std::printf("seed %lu (%s): an error that names nothing: %s\n", seed, path.c_str(), e.what());
        return 1;
      }
    } catch (const tenon::error& e) {
      ++refused;
      if (!*e.what()) {
        std::printf("seed %lu (%s): an error without words\n", seed, path.c_str());
        return 1;
      }
    }
    most = std::max(most, peak - before);
    if (peak - before > 2 * b.size() + room) {
      std::printf("seed %lu (%s): %zu bytes of memory for a file of %zu\n", seed, path.c_str(), peak - before,
                  b.size());
      return 1;
    }
  }
  std::printf("%lu files: %lu imported, %lu refused, at most %zu KiB of memory\n", count, imported, refused,
              most >> 10);
  return 0;
}
