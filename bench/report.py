#!/usr/bin/env python3
"""Runs the benchmarks beside peers and writes their tables and pictures.

report.py BUILD [--what products constant cubes f64 bytes convolutions rows permutations attention] [--processes N] [--threads N ...] [--only NAME] [--out FOLDER]

Each table comes from fresh processes (3 unless told). A row's ratio is the best peer's median over ours in one process,
where both ran in turn; the worst process counts. Above 1 we are faster.
"""
import argparse
import collections
import math
import os
import pathlib
import platform
import subprocess
import sys

PROGRAMS = {"products": ("bench_products", []), "constant": ("bench_products", ["--constant"]),
            "cubes": ("bench_products", ["--sizes", "12"]), "f64": ("bench_products", ["--f64"]), "bytes": ("bench_products", ["--bytes"]),
            "convolutions": ("bench_convolutions", []), "rows": ("bench_rows", []),
            "permutations": ("bench_permutations", []), "attention": ("bench_attention", []),
            "schedules": ("bench_schedules", [])}
BARS = {"sgemm of cubes": (1.0, 0.7), "sgemm": (1.0, 0.8), "i8 products": (2.5, 2.5), "dgemm": (1.0, 0.8), "matmul constant weights": (1.1, 0.93), "convolution": (0.9, 0.75), "softmax against oneDNN": (1.5, 1.5),
        "layer norm against oneDNN": (1.5, 1.5)}  # geometric mean, least

OURS = ("tenon", "tenon direct", "NCHW")  # no peers


def run(program, words):
    """{table: {row: {side: (work, q1, median, q3)}}} of one process, and the peak it measured."""
    environment = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    environment["TENON_CACHE_DIR"] = "off"
    # A peer's OpenMP threads wait for their next call by turning in place, by default long enough (15 ms) to take a core
    # from whoever is timed after it. Half a millisecond keeps them awake between their own calls.
    environment["GOMP_SPINCOUNT"] = "10000"
    tables, peak = collections.OrderedDict(), 0.0
    done = subprocess.run([program, *words], env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{program} {' '.join(words)}: {done.stderr}")
    for line in done.stdout.splitlines():
        table, row, side, *numbers = line.split("\t")
        work, q1, median, q3 = map(float, numbers)
        if table == "peak":
            peak = work
        else:
            tables.setdefault(table, collections.OrderedDict()).setdefault(row, {})[side] = (work, q1, median, q3)
    return tables, peak


def ratio(sides):
    best = min((s for s in sides if s not in OURS), key=lambda s: sides[s][2])
    return sides[best][2] / sides["tenon"][2], best


def geomean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def write_table(name, processes, peaks):
    unit = "GB/s" if any(w in name for w in ("softmax", "norm", "copy")) else "GFLOP/s"
    lines = [f"### {name}", "", f"| shape | {unit} | quartiles | best peer | {unit} | quartiles | ratio |", "|---|---|---|---|---|---|---|"]
    ratios = []
    for row in processes[0][name]:
        worst = min((p[name][row] for p in processes), key=lambda s: ratio(s)[0])
        r, best = ratio(worst)
        ratios.append((row, r))
        rate = lambda side: "| {:.1f} | {:.1f} to {:.1f} ".format(*(worst[side][0] / worst[side][i] / 1e9 for i in (2, 3, 1)))
        lines.append(f"| {row} {rate('tenon')}| {best} {rate(best)}| {r:.2f} |")
    mean = geomean([r for _, r in ratios])
    least = min(ratios, key=lambda x: x[1])
    bar = next((b for key, b in BARS.items() if name.startswith(key)), None)
    lines += ["", f"Geometric mean {mean:.3f}, least {least[1]:.2f} ({least[0]})" + (f"; bars {bar[0]} and {bar[1]}" if bar else "") +
              f". Peak of one core {min(peaks) / 1e9:.0f} to {max(peaks) / 1e9:.0f} GFLOP/s.", ""]
    return lines, ratios


def picture(name, ratios):
    """Bars from 0 to 1.5: ours against the best peer; the line is 1."""
    width, left, high = 900, 200, 18
    x = lambda r: left + min(r, 1.5) / 1.5 * (width - left - 60)
    height = 40 + high * len(ratios)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="11">',
           f'<rect width="{width}" height="{height}" fill="white"/><text x="8" y="18" font-size="13">{name}: the best peer\'s time over ours</text>']
    for i, (row, r) in enumerate(ratios):
        y = 30 + i * high
        colour = "#2a7" if r >= 1 else "#7ab" if r >= 0.9 else "#e94"
        out.append(f'<text x="{left - 6}" y="{y + 12}" text-anchor="end">{row}</text>'
                   f'<rect x="{left}" y="{y + 2}" width="{x(r) - left:.1f}" height="{high - 5}" fill="{colour}"/>'
                   f'<text x="{x(r) + 4:.1f}" y="{y + 12}">{r:.2f}</text>')
    out.append(f'<line x1="{x(1):.1f}" x2="{x(1):.1f}" y1="26" y2="{height - 6}" stroke="black" stroke-dasharray="3,3"/></svg>')
    return "\n".join(out) + "\n"


def write_schedules(name, processes, peaks):
    """One computation under named schedules: the best process of each, since they are compared with each other."""
    (row, _), = processes[0][name].items()
    sides = {s: min((p[name][row][s] for p in processes), key=lambda v: v[2]) for s in processes[0][name][row]}
    rates = sorted(((s, work / median / 1e9, median) for s, (work, _, median, _) in sides.items()), key=lambda x: -x[1])
    lines = [f"### {name}", "", "| schedule | G operations/s | ms |", "|---|---|---|",
             *(f"| {s} | {rate:.1f} | {median * 1e3:.3f} |" for s, rate, median in rates), "",
             f"Peak of one core {min(peaks) / 1e9:.0f} to {max(peaks) / 1e9:.0f} G operations/s.", ""]
    return lines, [(s, rate) for s, rate, _ in rates]


def schedules_picture(name, rates):
    width, left, high = 900, 200, 24
    scale = (width - left - 80) / max(rate for _, rate in rates)
    height = 40 + high * len(rates)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="12">',
           f'<rect width="{width}" height="{height}" fill="white"/><text x="8" y="18" font-size="13">{name}: G operations a second</text>']
    for i, (side, rate) in enumerate(rates):
        y = 30 + i * high
        colour = "#2a7" if side == "default" else "#7ab"
        out.append(f'<text x="{left - 6}" y="{y + 14}" text-anchor="end">{side}</text>'
                   f'<rect x="{left}" y="{y + 2}" width="{rate * scale:.1f}" height="{high - 6}" fill="{colour}"/>'
                   f'<text x="{left + rate * scale + 4:.1f}" y="{y + 14}">{rate:.1f}</text>')
    return "\n".join(out + ["</svg>"]) + "\n"


def machine():
    model = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), platform.machine())
    return f"{model}, {os.cpu_count()} cores, Linux {platform.release()}"


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("build")
    arguments.add_argument("--processes", type=int, default=3)
    arguments.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    arguments.add_argument("--what", nargs="+", choices=list(PROGRAMS), default=list(PROGRAMS))
    arguments.add_argument("--random", help="with products: a seed of random shapes instead of the fixed ones")
    arguments.add_argument("--only")
    arguments.add_argument("--out", default="bench_report")
    options = arguments.parse_args()
    folder = pathlib.Path(options.build) / "bench"
    if not (folder / "bench_products").exists():
        sys.exit(f"{folder}/bench_products is not there: it is built where libdnnl-dev and libopenblas-dev are (sh cmake/setup.sh bench)")
    out = pathlib.Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    more = (["--random", options.random] if options.random else []) + (["--only", options.only] if options.only else [])
    lines = [f"Machine: {machine()}. Worst of {options.processes} processes.", ""]
    for threads in options.threads:
        for name in options.what:
            program, words = PROGRAMS[name]
            results = []
            for n in range(options.processes):
                print(f"{name}, {threads} thread(s): process {n + 1} of {options.processes}", file=sys.stderr)
                results.append(run(str(folder / program), ["--threads", str(threads), *words, *more]))
            processes, peaks = [r[0] for r in results], [r[1] for r in results]
            for name in processes[0]:
                compared = name.startswith("schedules")
                table, ratios = (write_schedules if compared else write_table)(name, processes, peaks)
                lines += table
                file = out / (name.replace(",", "").replace(" ", "_") + ".svg")
                file.write_text((schedules_picture if compared else picture)(name, ratios))
    text = "\n".join(lines)
    (out / "report.md").write_text(text + "\n")
    print(text)


main()
