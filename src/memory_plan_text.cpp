#include "memory_plan_text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace tenon {
namespace {

using block = workspace_report::block;

std::string life_of(const block& b) {
  return b.first == b.last ? fmt::format("{}", b.first) : fmt::format("{}..{}", b.first, b.last);
}
std::string contents_of(const block& b) { return fmt::format("{}", fmt::join(b.holds, ", then in place ")); }

std::string escaped(std::string_view text) {
  std::string s;
  for (const char c : text) {
    if (c == '<')
      s += "&lt;";
    else if (c == '>')
      s += "&gt;";
    else if (c == '&')
      s += "&amp;";
    else
      s += c;
  }
  return s;
}

}  // namespace

std::string plan_text(const workspace_report& r) {
  std::string s = fmt::format("workspace {} bytes, {} kernels; what lives at once takes {} bytes at most\n", r.bytes,
                              r.kernels, r.peak);
  if (!r.blocks.empty()) s += fmt::format("{:>12} {:>12}  {:<12} holds\n", "offset", "bytes", "kernels");
  for (const block& b : r.blocks)
    s += fmt::format("{:>12} {:>12}  {:<12} {}\n", b.offset, b.bytes, life_of(b), contents_of(b));
  for (const std::string& p : r.parts) s += p + "\n";
  if (r.between) s += fmt::format("behind it {} bytes that kernels of one group leave for each other\n", r.between);
  if (r.scratch) s += fmt::format("scratch {} bytes a thread\n", r.scratch);
  return s;
}

std::string plan_svg(const workspace_report& r) {
  constexpr double left = 90, top = 30, wide = 900, high = 480, bottom = 40, right = 20;
  constexpr double least_label_width = 60, least_label_height = 12;
  const double kernels = static_cast<double>(std::max<std::int64_t>(1, r.kernels));
  const double bytes = static_cast<double>(std::max<std::int64_t>(1, r.bytes));
  const auto x = [&](double kernel) { return left + wide * kernel / kernels; };
  const auto y = [&](double byte) { return top + high * (1 - byte / bytes); };
  std::string s = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} {1:.0f}\" "
      "font-family=\"sans-serif\" font-size=\"10\">\n",
      left + wide + right, top + high + bottom);
  s += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" font-size=\"13\">workspace {} bytes, {} kernels</text>\n", left,
                   top - 10, r.bytes, r.kernels);
  s += fmt::format(
      "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"none\" stroke=\"#888\"/>\n", left, top,
      wide, high);
  s += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\">kernel 1</text>\n", left, top + high + 15);
  s += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">kernel {}</text>\n", left + wide,
                   top + high + 15, r.kernels);
  s += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">0</text>\n", left - 5, top + high);
  s += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{} bytes</text>\n", left - 5, top + 8, r.bytes);
  int number = 0;
  for (const block& b : r.blocks) {
    if (b.bytes == 0) continue;
    const double x0 = x(static_cast<double>(b.first - 1)), x1 = x(static_cast<double>(b.last));
    const double y0 = y(static_cast<double>(b.offset + b.bytes)), y1 = y(static_cast<double>(b.offset));
    // Neighbours differ: each hue is a golden angle away from the one before.
    s += fmt::format(
        "<g><title>{}: {} bytes at {}, kernels {}</title><rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" "
        "height=\"{:.1f}\" fill=\"hsl({},60%,75%)\" stroke=\"#444\" stroke-width=\"0.5\"/>",
        escaped(contents_of(b)), b.bytes, b.offset, life_of(b), x0, y0, x1 - x0, y1 - y0, number++ * 137 % 360);
    if (x1 - x0 >= least_label_width && y1 - y0 >= least_label_height) {
      const auto most = static_cast<std::size_t>((x1 - x0) / 6);
      s += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\">{}</text>", x0 + 3, (y0 + y1) / 2 + 4,
                       escaped(b.holds.front().substr(0, most)));
    }
    s += "</g>\n";
  }
  return s + "</svg>\n";
}

}  // namespace tenon
