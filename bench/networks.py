#!/usr/bin/env python3
"""Times the networks of examples/networks.cpp beside ONNX Runtime.

networks.py BUILD [--processes N] [--threads N ...] [--only NAME]

Wants the packages onnx, onnxruntime and numpy. The same networks are written in ONNX here, with random weights of the
same sizes, and run on the same number of threads. Ours and theirs are fresh processes in turn; a row's ratio is theirs
over ours, of medians, the worst of the pairs. Above 1 we are faster.
"""
import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

BARS = {"ResNet-50": 1.0, "MobileNetV2": 1.2, "BERT-base": 1.1}
CALLS = 30


class model:
    """A graph that grows: each method adds a node and answers its value."""

    def __init__(self):
        import numpy
        self.numpy, self.nodes, self.weights, self.random = numpy, [], [], numpy.random.default_rng(1)

    def name(self):
        return f"v{len(self.nodes) + len(self.weights)}"

    def constant(self, value):
        from onnx import numpy_helper
        name = "w" + self.name()
        self.weights.append(numpy_helper.from_array(value, name))
        return name

    def weight(self, shape, spread):
        return self.constant(self.random.uniform(-spread, spread, shape).astype("float32"))

    def node(self, kind, *inputs, **attributes):
        from onnx import helper
        name = self.name()
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def conv(self, x, inputs, outputs, kernel, stride=1, groups=1):
        w = self.weight((outputs, inputs // groups, kernel, kernel), (6 / (inputs // groups * kernel * kernel)) ** 0.5)
        return self.node("Conv", x, w, self.weight((outputs,), 0.1), strides=[stride] * 2, pads=[kernel // 2] * 4, group=groups)

    def dense(self, x, inputs, outputs):
        y = self.node("MatMul", x, self.weight((inputs, outputs), (3 / inputs) ** 0.5))
        return self.node("Add", y, self.weight((outputs,), 0.1))

    def shaped(self, x, *shape):
        return self.node("Reshape", x, self.constant(self.numpy.array(shape, "int64")))

    def save(self, path, result, shape):
        from onnx import TensorProto, helper, save
        value = lambda name, s: helper.make_tensor_value_info(name, TensorProto.FLOAT, s)
        graph = helper.make_graph(self.nodes, "net", [value("x", shape)], [value(result, None)], self.weights)
        save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9), path)


def resnet50(m):
    x = m.node("Relu", m.conv("x", 3, 64, 7, 2))
    x = m.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    inputs = 64
    for stage, count in enumerate((3, 4, 6, 3)):
        width = 64 << stage
        for i in range(count):
            stride = 2 if i == 0 and stage > 0 else 1
            y = m.node("Relu", m.conv(x, inputs, width, 1))
            y = m.node("Relu", m.conv(y, width, width, 3, stride))
            y = m.conv(y, width, 4 * width, 1)
            if inputs != 4 * width or stride != 1:
                x = m.conv(x, inputs, 4 * width, 1, stride)
            x, inputs = m.node("Relu", m.node("Add", y, x)), 4 * width
    return m.dense(m.shaped(m.node("GlobalAveragePool", x), -1, 2048), 2048, 1000), [1, 3, 224, 224]


def mobilenet_v2(m):
    low, high = (m.constant(m.numpy.array(v, "float32")) for v in (0, 6))
    relu6 = lambda v: m.node("Clip", v, low, high)
    x, inputs = relu6(m.conv("x", 3, 32, 3, 2)), 32
    for factor, outputs, count, first in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
                                          (6, 160, 3, 2), (6, 320, 1, 1)):
        for i in range(count):
            stride, wide = first if i == 0 else 1, inputs * factor
            y = x if factor == 1 else relu6(m.conv(x, inputs, wide, 1))
            y = m.conv(relu6(m.conv(y, wide, wide, 3, stride, wide)), wide, outputs, 1)
            x, inputs = m.node("Add", x, y) if stride == 1 and inputs == outputs else y, outputs
    x = m.node("GlobalAveragePool", relu6(m.conv(x, 320, 1280, 1)))
    return m.dense(m.shaped(x, -1, 1280), 1280, 1000), [1, 3, 224, 224]


def bert(m, width=768, heads=12, head=64):
    x = "x"
    norm = lambda v: m.node("LayerNormalization", v, m.weight((width,), 1), m.weight((width,), 0.1), axis=-1)
    for _ in range(12):
        q, k, v = (m.node("Transpose", m.shaped(m.dense(x, width, width), -1, heads, head), perm=p)
                   for p in ([1, 0, 2], [1, 2, 0], [1, 0, 2]))
        scores = m.node("Div", m.node("MatMul", q, k), m.constant(m.numpy.array(head ** 0.5, "float32")))
        y = m.node("Transpose", m.node("MatMul", m.node("Softmax", scores, axis=-1), v), perm=[1, 0, 2])
        x = norm(m.node("Add", x, m.dense(m.shaped(y, -1, width), width, width)))
        y = m.dense(m.node("Gelu", m.dense(x, width, 4 * width)), 4 * width, width)
        x = norm(m.node("Add", x, y))
    return x, [128, width]


NETWORKS = {"ResNet-50": resnet50, "MobileNetV2": mobilenet_v2, "BERT-base": bert}


def their_process(path, threads):
    """Prints the median milliseconds of a call."""
    import numpy
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    x = session.get_inputs()[0]
    feed = {x.name: numpy.random.default_rng(1).uniform(0, 1, x.shape).astype("float32")}
    times = []
    for _ in range(CALLS + 3):
        start = time.perf_counter()
        session.run(None, feed)
        times.append(time.perf_counter() - start)
    print(sorted(times[3:])[CALLS // 2] * 1e3)


def run(words):
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "TENON_CACHE_DIR": "off"})
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)}: {done.stderr}")
    return done.stdout


def main():
    if sys.argv[1:2] == ["--theirs"]:
        return their_process(sys.argv[2], int(sys.argv[3]))
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("build")
    arguments.add_argument("--processes", type=int, default=3)
    arguments.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    arguments.add_argument("--only", choices=list(NETWORKS))
    options = arguments.parse_args()
    program = pathlib.Path(options.build) / "examples" / "networks"
    print("| network | threads | ms a call | ONNX Runtime | ratio | bar | built and called once, ms |\n|---|---|---|---|---|---|---|")
    for name, make in NETWORKS.items():
        if options.only not in (None, name):
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = str(pathlib.Path(folder) / "net.onnx")
            m = model()
            m.save(path, *make(m))
            for threads in options.threads:
                pairs = []
                for _ in range(options.processes):
                    text = run([str(program), "--time", name, str(threads)])
                    ours, first = map(float, re.search(r"([\d.]+) ms a call; built and called once in ([\d.]+) ms", text).groups())
                    pairs.append((float(run([sys.executable, __file__, "--theirs", path, str(threads)])) / ours, ours, first))
                ratio, ours, _ = min(pairs)
                print(f"| {name} | {threads} | {ours:.2f} | {ours * ratio:.2f} | {ratio:.2f} | {BARS[name]} | {max(p[2] for p in pairs):.0f} |", flush=True)


main()
