#!/usr/bin/env python3
"""Networks as ONNX files, for onnx_networks.py.

    onnx_models.py FOLDER

Three kinds: the architectures that the package `onnx` ships without weights, with random ones; families that these
leave out, built here; and trained networks that Python packages carry, fetched by their package's name (silero-vad,
MIT; rapidocr-onnxruntime and magika, Apache-2.0). Needs the packages onnx and numpy, and pip for the trained ones.
"""
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# Members of packages that are networks, and the names that they get here.
TRAINED = {
    "rapidocr-onnxruntime": {"ch_PP-OCRv4_det_infer.onnx": "ocr_detection", "ch_PP-OCRv4_rec_infer.onnx": "ocr_recognition",
                             "ch_ppocr_mobile_v2.0_cls_infer.onnx": "ocr_orientation"},
    "magika": {"standard_v3_3/model.onnx": "magika"},
    "silero-vad": {"silero_vad_openvino_16k.onnx": "silero_vad", "silero_vad_16k_sequence.onnx": "silero_vad_sequence"},
}


class Builder:
    """Collects nodes and random weights of one graph."""

    def __init__(self, seed, opset=17):
        self.random = np.random.default_rng(seed)
        self.nodes, self.weights, self.inputs, self.outputs = [], [], [], []
        self.opset, self.count = opset, 0

    def name(self):
        self.count += 1
        return f"v{self.count}"

    def input(self, name, shape, kind=TensorProto.FLOAT):
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, value, shape=None, kind=TensorProto.FLOAT):
        self.outputs.append(helper.make_tensor_value_info(value, kind, shape))

    def constant(self, array):
        name = self.name()
        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def weight(self, *shape, fan=None):
        fan = fan or int(np.prod(shape[1:])) or 1
        return self.constant(self.random.normal(0, np.sqrt(1.5 / fan), shape).astype(np.float32))

    def __call__(self, op, *inputs, results=1, **attributes):
        names = [self.name() for _ in range(results)]
        self.nodes.append(helper.make_node(op, list(inputs), names, **attributes))
        return names[0] if results == 1 else names

    def conv(self, x, channels_in, channels, kernel, stride=1, groups=1, dilation=1, activation="Relu", pads=None):
        spatial = len(kernel)
        pads = pads or [d * (k - 1) // 2 for k, d in zip(kernel, [dilation] * spatial)] * 2
        y = self("Conv", x, self.weight(channels, channels_in // groups, *kernel), self.weight(channels, fan=channels),
                 strides=[stride] * spatial, pads=pads, group=groups, dilations=[dilation] * spatial)
        return self(activation, y) if activation else y

    def dense(self, x, width_in, width, activation=None):
        y = self("Add", self("MatMul", x, self.weight(width_in, width, fan=width_in)), self.weight(width, fan=width))
        return self(activation, y) if activation else y

    def norm(self, x, width):
        scale = self.constant(np.ones(width, np.float32))
        return self("LayerNormalization", x, scale, self.weight(width, fan=width), axis=-1)

    def gelu(self, x):
        half = self("Mul", x, self.constant(np.float32(0.5)))
        e = self("Erf", self("Mul", x, self.constant(np.float32(np.sqrt(0.5)))))
        return self("Mul", half, self("Add", e, self.constant(np.float32(1))))

    def attention(self, x, length, width, heads, mask=None):
        def split(y, axes):
            shape = self.constant(np.array([0, length, heads, width // heads], np.int64))
            return self("Transpose", self("Reshape", y, shape), perm=axes)
        q = split(self.dense(x, width, width), [0, 2, 1, 3])
        k = split(self.dense(x, width, width), [0, 2, 3, 1])
        v = split(self.dense(x, width, width), [0, 2, 1, 3])
        scores = self("Mul", self("MatMul", q, k), self.constant(np.float32((width // heads) ** -0.5)))
        if mask is not None:
            scores = self("Add", scores, mask)
        y = self("Transpose", self("MatMul", self("Softmax", scores, axis=-1), v), perm=[0, 2, 1, 3])
        return self.dense(self("Reshape", y, self.constant(np.array([0, length, width], np.int64))), width, width)

    def block(self, x, length, width, heads, mask=None):
        x = self("Add", x, self.attention(self.norm(x, width), length, width, heads, mask))
        y = self.dense(self.norm(x, width), width, 4 * width)
        return self("Add", x, self.dense(self.gelu(y), 4 * width, width))

    def save(self, path):
        graph = helper.make_graph(self.nodes, path.stem, self.inputs, self.outputs, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)
        onnx.checker.check_model(model)
        onnx.save(model, path)


def bert(b):
    length, width = 64, 128
    x = b("Gather", b.weight(1000, width), b.input("tokens", ["batch", length], TensorProto.INT64))
    x = b.norm(b("Add", x, b.weight(length, width)), width)
    for _ in range(3):
        x = b.block(x, length, width, 4)
    b.output(b.dense(b("ReduceMean", x, axes=[1], keepdims=0), width, 10), ["batch", 10])


def gpt(b):
    length, width = 48, 96
    mask = np.triu(np.full((length, length), -1e9, np.float32), 1)
    x = b("Gather", b.weight(500, width), b.input("tokens", [1, length], TensorProto.INT64))
    x = b("Add", x, b.weight(length, width))
    for _ in range(3):
        x = b.block(x, length, width, 6, b.constant(mask))
    b.output(b("LogSoftmax", b.dense(b.norm(x, width), width, 500), axis=-1), [1, length, 500])


def vision_transformer(b):
    width, length = 128, 49
    x = b.conv(b.input("image", [1, 3, 112, 112]), 3, width, [16, 16], 16, activation=None, pads=[0] * 4)
    x = b("Transpose", b("Reshape", x, b.constant(np.array([0, width, length], np.int64))), perm=[0, 2, 1])
    for _ in range(3):
        x = b.block(x, length, width, 4)
    b.output(b.dense(b("ReduceMean", x, axes=[1], keepdims=0), width, 100), [1, 100])


def mlp_mixer(b):
    width, length = 96, 64
    x = b.conv(b.input("image", [2, 3, 64, 64]), 3, width, [8, 8], 8, activation=None, pads=[0] * 4)
    x = b("Transpose", b("Reshape", x, b.constant(np.array([0, width, length], np.int64))), perm=[0, 2, 1])
    for _ in range(3):
        y = b("Transpose", b.norm(x, width), perm=[0, 2, 1])
        y = b.dense(b.gelu(b.dense(y, length, 128)), 128, length)
        x = b("Add", x, b("Transpose", y, perm=[0, 2, 1]))
        x = b("Add", x, b.dense(b.gelu(b.dense(b.norm(x, width), width, 256)), 256, width))
    b.output(b.dense(b("ReduceMean", x, axes=[1], keepdims=0), width, 10), [2, 10])


def lstm_classifier(b):
    length, width, hidden = 40, 64, 48
    x = b("Gather", b.weight(300, width), b.input("tokens", [length, "batch"], TensorProto.INT64))
    for layer in range(2):
        inputs = width if layer == 0 else 2 * hidden
        y = b("LSTM", x, b.weight(2, 4 * hidden, inputs), b.weight(2, 4 * hidden, hidden), b.weight(2, 8 * hidden),
              direction="bidirectional", hidden_size=hidden)
        x = b("Reshape", b("Transpose", y, perm=[0, 2, 1, 3]), b.constant(np.array([0, 0, 2 * hidden], np.int64)))
    b.output(b("Softmax", b.dense(b("ReduceMax", x, axes=[0], keepdims=0), 2 * hidden, 5), axis=-1), ["batch", 5])


def gru_forecast(b):
    hidden = 64
    x = b.input("series", [24, 3, 8])
    y, last = b("GRU", x, b.weight(1, 3 * hidden, 8), b.weight(1, 3 * hidden, hidden), b.weight(1, 6 * hidden),
                hidden_size=hidden, linear_before_reset=1, results=2)
    b.output(b.dense(b("Squeeze", last, b.constant(np.array([0], np.int64))), hidden, 8), [3, 8])
    b.output(y, [24, 1, 3, hidden])


def u_net(b):
    x, skips, channels = b.input("image", [1, 3, 64, 64]), [], 3
    for width in (16, 32, 64):
        x = b.conv(b.conv(x, channels, width, [3, 3]), width, width, [3, 3])
        skips.append((x, width))
        x, channels = b("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]), width
    x = b.conv(x, channels, 128, [3, 3])
    channels = 128
    for n, (skip, width) in enumerate(reversed(skips)):
        if n % 2:
            x = b("Resize", x, "", b.constant(np.array([1, 1, 2, 2], np.float32)), mode="linear",
                  coordinate_transformation_mode="half_pixel")
        else:
            x = b("ConvTranspose", x, b.weight(channels, channels, 2, 2, fan=channels), strides=[2, 2])
        x = b.conv(b("Concat", x, skip, axis=1), channels + width, width, [3, 3])
        channels = width
    b.output(b("Sigmoid", b.conv(x, channels, 1, [1, 1], activation=None)), [1, 1, 64, 64])


def mobile_net(b):
    x = b.conv(b.input("image", ["batch", 3, 96, 96]), 3, 16, [3, 3], 2, activation="HardSwish")
    channels = 16
    for width, stride in ((24, 2), (24, 1), (40, 2), (40, 1), (80, 2)):
        inner = 4 * channels
        y = b.conv(x, channels, inner, [1, 1], activation="HardSwish")
        y = b.conv(y, inner, inner, [3, 3], stride, groups=inner, activation="HardSwish")
        s = b.conv(b("GlobalAveragePool", y), inner, inner // 4, [1, 1])
        y = b("Mul", y, b("HardSigmoid", b.conv(s, inner // 4, inner, [1, 1], activation=None)))
        y = b.conv(y, inner, width, [1, 1], activation=None)
        x = b("Add", x, y) if stride == 1 and width == channels else y
        channels = width
    b.output(b.dense(b("Flatten", b("GlobalAveragePool", x)), channels, 100), ["batch", 100])


def wave_net(b):
    x = b.conv(b.input("wave", [1, 1, 512]), 1, 32, [1], activation=None)
    total = None
    for dilation in (1, 2, 4, 8, 16):
        y = b("Pad", x, b.constant(np.array([0, 0, 2 * dilation, 0, 0, 0], np.int64)))
        y = b("Mul", b.conv(y, 32, 32, [3], dilation=dilation, activation="Tanh", pads=[0, 0]),
              b.conv(y, 32, 32, [3], dilation=dilation, activation="Sigmoid", pads=[0, 0]))
        skip = b.conv(y, 32, 32, [1], activation=None)
        total = skip if total is None else b("Add", total, skip)
        x = b("Add", x, skip)
    b.output(b("Softmax", b.conv(b("Relu", total), 32, 64, [1], activation=None), axis=1), [1, 64, 512])


def graph_network(b):
    nodes, edges, width = 40, 120, 32
    x = b.input("nodes", [nodes, width])
    source = b.constant(b.random.integers(0, nodes, edges))
    target = b.constant(b.random.integers(0, nodes, (edges, 1)))
    for _ in range(3):
        message = b.dense(b("Gather", x, source), width, width, "Relu")
        zeros = b.constant(np.zeros((nodes, width), np.float32))
        total = b("ScatterND", zeros, target, message, reduction="add")
        x = b("Tanh", b.dense(b("Concat", x, total, axis=1), 2 * width, width))
    b.output(b.dense(b("ReduceSum", x, b.constant(np.array([0], np.int64)), keepdims=0), width, 4), [4])


def generator(b):
    x = b("Reshape", b.dense(b.input("latent", [2, 32]), 32, 64 * 16), b.constant(np.array([2, 64, 4, 4], np.int64)))
    channels = 64
    for width in (48, 32, 16):
        x = b("ConvTranspose", x, b.weight(channels, width, 4, 4, fan=channels * 4), strides=[2, 2], pads=[1, 1, 1, 1])
        x = b("InstanceNormalization", x, b.constant(np.ones(width, np.float32)), b.weight(width, fan=width))
        x, channels = b("LeakyRelu", x, alpha=0.2), width
    b.output(b("Tanh", b.conv(x, channels, 3, [3, 3], activation=None)), [2, 3, 32, 32])


def quantized(b):
    def byte(v):
        return b.constant(np.uint8(v))

    def real(v):
        return b.constant(np.float32(v))
    x = b("QuantizeLinear", b.input("image", [1, 3, 32, 32]), real(1 / 64), byte(128))
    scale, channels = 1 / 64, 3
    for width, stride in ((16, 1), (32, 2), (32, 2)):
        w = b.constant(b.random.integers(-60, 60, (width, channels, 3, 3)).astype(np.int8))
        per_channel = b.constant(np.linspace(0.004, 0.008, width).astype(np.float32))
        bias = b.constant(b.random.integers(-500, 500, width).astype(np.int32))
        x = b("QLinearConv", x, real(scale), byte(128), w, per_channel, b.constant(np.zeros(width, np.int8)), real(1 / 32),
              byte(128), bias, pads=[1] * 4, strides=[stride] * 2)
        scale, channels = 1 / 32, width
    x = b("Flatten", b("DequantizeLinear", x, real(scale), byte(128)))
    q, s, z = b("DynamicQuantizeLinear", x, results=3)
    w = b.constant(b.random.integers(-60, 60, (channels * 64, 10)).astype(np.int8))
    y = b("Cast", b("MatMulInteger", q, w, z), to=TensorProto.FLOAT)
    b.output(b("Mul", y, b("Mul", s, real(0.005))), [1, 10])


def detector(b):
    x = b.conv(b.input("image", [1, 3, 64, 64]), 3, 16, [3, 3], 2, activation="Relu")
    x = b.conv(b.conv(x, 16, 32, [3, 3], 2), 32, 32, [3, 3])
    boxes = b("Transpose", b("Reshape", b.conv(x, 32, 4, [1, 1], activation="Sigmoid"), b.constant(np.array([1, 4, 256], np.int64))),
              perm=[0, 2, 1])
    scores = b("Reshape", b.conv(x, 32, 3, [1, 1], activation="Sigmoid"), b.constant(np.array([1, 3, 256], np.int64)))
    kept = b("NonMaxSuppression", boxes, scores, b.constant(np.array([5], np.int64)), b.constant(np.array([0.5], np.float32)),
             b.constant(np.array([0.1], np.float32)))
    b.output(kept, ["kept", 3], TensorProto.INT64)
    which = b("Squeeze", b("Slice", kept, b.constant(np.array([2])), b.constant(np.array([3])), b.constant(np.array([1]))),
              b.constant(np.array([1], np.int64)))
    b.output(b("Gather", b("Squeeze", boxes, b.constant(np.array([0], np.int64))), which), ["kept", 4])


BUILT = [bert, gpt, vision_transformer, mlp_mixer, lstm_classifier, gru_forecast, u_net, mobile_net, wave_net, graph_network,
         generator, quantized, detector]


def with_weights(model, seed):
    """An architecture whose weights are made by ConstantOfShape, with random ones of a sensible size instead. Of those
    the largest class takes all of a softmax at the end: it is left out, so that there is something to compare."""
    random = np.random.default_rng(seed)
    known = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    kept = []
    for n in model.graph.node:
        if n.op_type != "ConstantOfShape" or n.input[0] not in known:
            kept.append(n)
            continue
        shape = known[n.input[0]]
        used = [(m.op_type, list(m.input).index(n.output[0])) for m in model.graph.node if n.output[0] in m.input]
        op, place = used[0] if used else ("", 0)
        fan = int(np.prod(shape[1:])) if len(shape) > 1 else 1
        if op == "BatchNormalization" and place in (1, 4):
            value = random.uniform(0.5, 1.5, shape)
        else:
            value = random.normal(0, np.sqrt(1.5 / fan) if len(shape) > 1 else 0.05, shape)
        model.graph.initializer.append(numpy_helper.from_array(value.astype(np.float32), n.output[0]))
    if kept[-1].op_type == "Softmax":
        for n in kept[:-1]:
            n.output[:] = [kept[-1].output[0] if o == kept[-1].input[0] else o for o in n.output]
        kept.pop()
    del model.graph.node[:]
    model.graph.node.extend(kept)
    return model


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    light = pathlib.Path(onnx.__file__).parent / "backend/test/data/light"
    for n, path in enumerate(sorted(light.glob("*.onnx"))):
        onnx.save(with_weights(onnx.load(path), n), folder / path.name.replace("light_", ""))
    for n, make in enumerate(BUILT):
        b = Builder(100 + n)
        make(b)
        b.save(folder / f"{make.__name__}.onnx")
    for package, members in TRAINED.items():
        with tempfile.TemporaryDirectory() as there:
            if subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", there, package]).returncode:
                print(f"{package}: not to be had", file=sys.stderr)
                continue
            for wheel in pathlib.Path(there).glob("*.whl"):
                with zipfile.ZipFile(wheel) as z:
                    for member in z.namelist():
                        for end, name in members.items():
                            if member.endswith("/" + end):
                                (folder / f"{name}.onnx").write_bytes(z.read(member))
    print(f"{len(list(folder.glob('*.onnx')))} networks in {folder}")


if __name__ == "__main__":
    main()
