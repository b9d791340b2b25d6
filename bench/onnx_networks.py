#!/usr/bin/env python3
"""Networks from ONNX files beside ONNX Runtime: results and times.

    onnx_networks.py ONNX_RUN MODEL.onnx[:NAME=EXTENT,...]... [--threads N]

ONNX_RUN is the example program. Each model runs on random inputs (a seed; the same for both); extents with a name are 1
where none is given. Prints, for each model, the largest difference as a share of the output's largest element, the median
time of both, and the ratio. Needs the packages onnxruntime and numpy.
"""
import argparse
import json
import pathlib
import re
import statistics
import struct
import subprocess
import tempfile
import time

import numpy as np
import onnxruntime

TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16,
         "tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(uint8)": np.uint8, "tensor(int8)": np.int8,
         "tensor(bool)": np.bool_}
SAVED = {"F32": np.float32, "F64": np.float64, "F16": np.float16, "I64": np.int64, "I32": np.int32, "U8": np.uint8,
         "I8": np.int8, "BOOL": np.bool_}
REPEATS = 25


def random_inputs(session, extents):
    r = np.random.default_rng(1)
    made = {}
    for i in session.get_inputs():
        shape = [e if isinstance(e, int) else extents.get(e, extents.get("*", 1)) for e in i.shape]
        kind = TYPES[i.type]
        if np.issubdtype(kind, np.floating):
            made[i.name] = r.uniform(-1, 1, shape).astype(kind)
        elif kind == np.bool_:
            made[i.name] = r.integers(0, 2, shape).astype(kind)
        else:
            made[i.name] = r.integers(0, 100, shape).astype(kind)
    return made


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


def compare(program, model, extents, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    inputs = random_inputs(session, extents)
    expected = session.run(None, inputs)
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        session.run(None, inputs)
        times.append(time.perf_counter() - start)
    peer = statistics.median(times) * 1e6
    with tempfile.TemporaryDirectory() as folder:
        np.savez(f"{folder}/in.npz", **inputs)
        command = [program, model, f"{folder}/in.npz", "--target", f"llvm -num-threads={threads}", "--save",
                   f"{folder}/out.safetensors"]
        for name, extent in extents.items():
            if name != "*":
                command += ["--extent", f"{name}={extent}"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            return done.stderr.strip().replace("\n", " ")[:300]
        ours = float(re.search(r"([\d.]+) us a call", done.stdout).group(1))
        got = read_safetensors(f"{folder}/out.safetensors")
    worst = 0
    for o, want in zip(session.get_outputs(), expected):
        a, b = got[o.name].astype(np.float64), want.astype(np.float64)
        if a.shape != b.shape:
            return f"{o.name}: {a.shape} instead of {b.shape}"
        if a.size:
            worst = max(worst, np.abs(a - b).max() / max(np.abs(b).max(), 1e-30))
    kernels = re.search(r"(\d+) kernels", done.stdout).group(1)
    compiled = re.search(r"compiled in (\d+) ms", done.stdout).group(1)
    return f"{worst:.1e} off, {ours:.0f} us against {peer:.0f} us: {peer / ours:.2f}, {kernels} kernels, compiled in {compiled} ms"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("models", nargs="+")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    for word in given.models:
        model, _, pairs = word.partition(":")
        extents = {k: int(v) for k, v in (p.split("=") for p in pairs.split(",") if p)}
        print(f"{pathlib.Path(model).name}: {compare(given.program, model, extents, given.threads)}", flush=True)


if __name__ == "__main__":
    main()
