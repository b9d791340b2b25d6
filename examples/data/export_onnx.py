#!/usr/bin/env python3
"""Writes digits.onnx beside this script: the digits network, its weights as external data in digits.safetensors.

    python3 export_onnx.py

Needs no packages: an ONNX file is a protocol buffer, and this one is small (onnx.proto has the field numbers).
"""
import json
import pathlib
import struct

FOLDER = pathlib.Path(__file__).resolve().parent
FLOAT, INT64 = 1, 7


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def number(field, n):
    return varint(field << 3) + varint(n & (1 << 64) - 1)


def part(field, data):
    data = data.encode() if isinstance(data, str) else data
    return varint(field << 3 | 2) + varint(len(data)) + data


def ints(name, values):
    return part(1, name) + b"".join(number(8, v) for v in values) + number(20, 7)


def node(op, inputs, output, *attributes):
    return part(1, b"".join(part(1, i) for i in inputs) + part(2, output) + part(3, output) + part(4, op)
                + b"".join(part(5, a) for a in attributes))


def value(name, extents):
    shape = b"".join(part(1, part(2, e) if isinstance(e, str) else number(1, e)) for e in extents)
    return part(1, name) + part(2, part(1, number(1, FLOAT) + part(2, shape)))


def external(name, info, start):
    begin, end = info["data_offsets"]
    place = {"location": "digits.safetensors", "offset": str(start + begin), "length": str(end - begin)}
    return part(5, b"".join(number(1, e) for e in info["shape"]) + number(2, FLOAT) + part(8, name)
                + b"".join(part(13, part(1, k) + part(2, v)) for k, v in place.items()) + number(14, 1))


def main():
    raw = (FOLDER / "digits.safetensors").read_bytes()
    header = struct.unpack("<Q", raw[:8])[0]
    weights = {k: v for k, v in json.loads(raw[8:8 + header]).items() if k != "__metadata__"}
    pool = [ints("kernel_shape", [2, 2]), ints("strides", [2, 2])]
    graph = b"".join([
        node("Conv", ["image", "conv1.weight", "conv1.bias"], "c1", ints("pads", [1, 1, 1, 1])),
        node("Relu", ["c1"], "r1"),
        node("MaxPool", ["r1"], "p1", *pool),
        node("Conv", ["p1", "conv2.weight", "conv2.bias"], "c2", ints("pads", [1, 1, 1, 1])),
        node("Relu", ["c2"], "r2"),
        node("MaxPool", ["r2"], "p2", *pool),
        # As exporters write it: the batch is read from the value, the rest follows.
        node("Shape", ["p2"], "s"),
        node("Gather", ["s", "zero"], "batch"),
        node("Concat", ["batch", "rest"], "flat_shape", part(1, "axis") + number(3, 0) + number(20, 2)),
        node("Reshape", ["p2", "flat_shape"], "flat"),
        node("Gemm", ["flat", "first.weight", "first.bias"], "g1"),
        node("Relu", ["g1"], "r3"),
        node("Gemm", ["r3", "second.weight", "second.bias"], "g2"),
        node("Softmax", ["g2"], "digit"),
    ])
    graph += part(2, "digits")
    graph += b"".join(external(k, v, 8 + header) for k, v in sorted(weights.items()))
    for name, number_in in (("zero", 0), ("rest", -1)):
        graph += part(5, number(1, 1) + number(2, INT64) + part(8, name) + part(9, struct.pack("<q", number_in)))
    graph += part(11, value("image", ["batch_size", 1, 28, 28])) + part(12, value("digit", ["batch_size", 10]))
    model = number(1, 8) + part(2, "export_onnx.py") + part(7, graph) + part(8, part(1, "") + number(2, 17))
    (FOLDER / "digits.onnx").write_bytes(model)


if __name__ == "__main__":
    main()
