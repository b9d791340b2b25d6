#!/usr/bin/env python3
"""Networks from ONNX files beside ONNX Runtime: results and times.

    onnx_networks.py ONNX_RUN MODEL.onnx|FOLDER... [--threads 1,2] [--note TEXT]

ONNX_RUN is the example program; onnx_models.py makes a folder of networks. Each runs on random inputs (a seed; the same for
both sides). Prints a table: the largest difference as a share of the output's largest element (and that of the peer with
its own optimisations off, which says how far the network itself decides), for each number of threads the peer's median
time over ours. Ends with 1 when a result is off by more than 1e-4.
Needs the packages onnxruntime and numpy.
"""
import argparse
import json
import pathlib
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnxruntime

TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16,
         "tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(uint8)": np.uint8, "tensor(int8)": np.int8,
         "tensor(bool)": np.bool_}
SAVED = {"F32": np.float32, "F64": np.float64, "F16": np.float16, "I64": np.int64, "I32": np.int32, "U8": np.uint8,
         "I8": np.int8, "BOOL": np.bool_}
# What is run where a model leaves an extent open, by network and input; 1 where nothing is said.
SHAPES = {"ocr_detection": {"x": (1, 3, 128, 160)}, "ocr_recognition": {"x": (1, 3, 48, 160)},
          "ocr_orientation": {"x": (2, 3, 48, 192)}, "magika": {"bytes": (1, 2048)},
          "silero_vad_sequence": {"input": (4, 576)}, "lstm_classifier": {"tokens": (40, 3)}, "bert": {"tokens": (2, 64)}}
LIMIT = 1e-4
REPEATS = 15


def random_inputs(session, model):
    r = np.random.default_rng(1)
    made, extents = {}, {}
    for i in session.get_inputs():
        shape = [e if isinstance(e, int) and e > 0 else 1 for e in i.shape]
        shape = list(SHAPES.get(model.stem, {}).get(i.name, shape))
        for axis, e in enumerate(i.shape):
            if not isinstance(e, int) or e <= 0:
                extents[f"{i.name}[{axis}]"] = shape[axis]
        kind = TYPES[i.type]
        if np.issubdtype(kind, np.floating):
            made[i.name] = r.uniform(-1, 1, shape).astype(kind)
        elif kind == np.bool_:
            made[i.name] = r.integers(0, 2, shape).astype(kind)
        else:
            made[i.name] = r.integers(0, 100, shape).astype(kind)
    return made, extents


def read_safetensors(path):
    raw = pathlib.Path(path).read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    tensors = {}
    for name, t in json.loads(raw[8:8 + size]).items():
        if name != "__metadata__":
            begin, end = t["data_offsets"]
            data = np.frombuffer(raw[8 + size + begin:8 + size + end], SAVED[t["dtype"]])
            tensors[name] = data.reshape(t["shape"])
    return tensors


def difference(session, expected, got):
    worst = 0
    for o, want in zip(session.get_outputs(), expected):
        a, b = got[o.name].astype(np.float64), np.asarray(want).astype(np.float64)
        if a.shape != b.shape:
            return f"{o.name}: {a.shape} instead of {b.shape}"
        if a.size:
            worst = np.maximum(worst, np.abs(a - b).max() / max(np.abs(b).max(), 1e-30))  # what is no number stays
    return worst


def compare(program, model, threads):
    """(differences, ours and the peer's own without its optimisations, or what went wrong; the peer's time over ours, our
    microseconds, kernels)"""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    inputs, extents = random_inputs(session, model)
    expected = session.run(None, inputs)
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    plain = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"]).run(None, inputs)
    own = difference(session, expected, dict(zip((o.name for o in session.get_outputs()), plain)))
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        session.run(None, inputs)
        times.append(time.perf_counter() - start)
    peer = statistics.median(times) * 1e6
    with tempfile.TemporaryDirectory() as folder:
        np.savez(f"{folder}/in.npz", **inputs)
        command = [program, str(model), f"{folder}/in.npz", "--target", f"llvm -num-threads={threads}", "--save",
                   f"{folder}/out.safetensors"]
        for name, extent in extents.items():
            command += ["--extent", f"{name}={extent}"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            return done.stderr.strip().replace("\n", " ")[:300] or f"ended with {done.returncode}", 0, 0, ""
        ours = float(re.search(r"([\d.]+) us a call", done.stdout).group(1))
        off = difference(session, expected, read_safetensors(f"{folder}/out.safetensors"))
    return (off, own), peer / ours, ours, re.search(r"(\d+) kernels", done.stdout).group(1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("models", nargs="+")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--note", default="")
    given = parser.parse_args()
    threads = [int(t) for t in given.threads.split(",")]
    models = []
    for m in map(pathlib.Path, given.models):
        models += sorted(m.glob("*.onnx")) if m.is_dir() else [m]
    if given.note:
        print(given.note + "\n")
    print("| network | off | " + " | ".join(f"{t} threads" for t in threads) + " | us a call | kernels |")
    print("|---|---|" + "---|" * (len(threads) + 2), flush=True)
    failed, ratios = 0, {t: [] for t in threads}
    for model in models:
        cells, worst, own, times, kernels = [], 0, 0, [], ""
        for t in threads:
            try:
                off, ratio, ours, kernels = compare(given.program, model, t)
            except Exception as e:  # a peer that refuses a model is no fault of ours, and is said
                off, ratio, ours = f"{type(e).__name__}: {e}"[:200].replace("\n", " "), 0, 0
            if isinstance(off, str):
                worst = off
                break
            worst, own = max(worst, off[0]), max(own, off[1])
            cells.append(f"{ratio:.2f}")
            times.append(f"{ours:.0f}")
            ratios[t].append(ratio)
        bad = isinstance(worst, str) or not worst <= LIMIT
        failed += bad
        shown = worst if isinstance(worst, str) else f"{worst:.1e} ({own:.1e})"
        print(f"| {model.stem} | {shown} | " + " | ".join(cells) + f" | {', '.join(times)} | {kernels} |", flush=True)
    for t in threads:
        if ratios[t]:
            print(f"\n{t} threads: geometric mean {statistics.geometric_mean(ratios[t]):.2f} of {len(ratios[t])}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
