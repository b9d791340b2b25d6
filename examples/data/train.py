#!/usr/bin/env python3
"""Trains the digits network of the examples and writes the files beside this script.

    python3 train.py MNIST_FOLDER [--out FOLDER] [--held-out FOLDER] [--epochs N] [--validate]

MNIST_FOLDER holds `images.u8.gz` (10000 x 28 x 28 bytes, row-major) and `labels.u8` (10000 bytes). Needs PyTorch and
numpy; one thread, two to three minutes on one core. Writes into --out (default: the folder of this script):

    digits.safetensors   the weights, float32: convolutions OIHW, linear layers [in, out]
    digits_images.u8     the first 500 held-out digits, 500 x 28 x 28 bytes
    digits_labels.u8     their labels, 500 bytes

--held-out writes all 2000 held-out digits and labels (`images.u8`, `labels.u8`) and the softmax of the first eight
(`reference.npz`, `reference.json`) into a folder of their own, for checks.

The held-out digits choose nothing: the number of epochs and every other setting is a constant below, and --validate,
with which they were tried, trains on the first 6000 training digits, reports on the other 2000, and writes nothing.
"""

import argparse
import gzip
import json
import math
import pathlib
import struct

import numpy as np
import torch
import torch.nn.functional as F

digit_count = 10000
held_out_count = 2000
validation_count = 2000
shipped_count = 500
reference_count = 8

shuffle_seed = 2024
training_seed = 1
epochs = 60
batch_size = 64
peak_rate = 2e-3
weight_decay = 1e-2
dropout = 0.2

max_rotation = 10.0  # degrees
max_scale = 0.1  # of the size, each axis
max_shear = 0.08  # columns per row
max_shift = 1.5  # pixels, each axis
elastic_sigma = 4.0  # pixels, of the Gaussian that smooths the displacements
elastic_strength = 0.7  # pixels, largest root mean square of the displacements


def shuffled_order(count, seed):
    """A permutation of 0..count-1: Fisher-Yates, from the last place down, on a linear congruential generator.

    state = (state * 6364136223846793005 + 1442695040888963407) mod 2^64, from `seed`; place i changes with place
    (state >> 33) mod (i + 1). The state moves before each use.
    """
    order = list(range(count))
    state = seed
    for i in range(count - 1, 0, -1):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        j = (state >> 33) % (i + 1)
        order[i], order[j] = order[j], order[i]
    return np.array(order)


def load_digits(folder):
    """Images [10000, 28, 28] and labels [10000], both uint8, in the shuffled order."""
    images = np.frombuffer(gzip.decompress((folder / "images.u8.gz").read_bytes()), np.uint8)
    labels = np.frombuffer((folder / "labels.u8").read_bytes(), np.uint8)
    if images.size != digit_count * 28 * 28 or labels.size != digit_count:
        raise SystemExit(f"{folder}: expected {digit_count} digits of 28 x 28 bytes and as many labels, found "
                         f"{images.size} bytes of images and {labels.size} labels")
    order = shuffled_order(digit_count, shuffle_seed)
    return images.reshape(-1, 28, 28)[order], labels[order]


def to_input(images):
    """uint8 [n, 28, 28] to float32 [n, 1, 28, 28] in 0..1."""
    return torch.from_numpy(images.astype(np.float32) / np.float32(255)).unsqueeze(1)


def initial_weights():
    """The named parameters in the layout of the file; He's initialisation, zero biases."""

    def normal(shape, inputs):
        return torch.randn(shape) * math.sqrt(2.0 / inputs)

    weights = {
        "conv1.weight": normal((16, 1, 3, 3), 9),
        "conv1.bias": torch.zeros(16),
        "conv2.weight": normal((32, 16, 3, 3), 144),
        "conv2.bias": torch.zeros(32),
        "first.weight": normal((1568, 128), 1568),
        "first.bias": torch.zeros(128),
        "second.weight": normal((128, 10), 128),
        "second.bias": torch.zeros(10),
    }
    for tensor in weights.values():
        tensor.requires_grad_(True)
    return weights


def logits(w, x, training=False):
    """float32 [n, 1, 28, 28] to float32 [n, 10], before the softmax."""
    h = F.max_pool2d(F.relu(F.conv2d(x, w["conv1.weight"], w["conv1.bias"], padding=1)), 2)
    h = F.max_pool2d(F.relu(F.conv2d(h, w["conv2.weight"], w["conv2.bias"], padding=1)), 2)
    h = F.dropout(h.flatten(1), dropout, training)
    h = F.dropout(F.relu(h @ w["first.weight"] + w["first.bias"]), dropout, training)
    return h @ w["second.weight"] + w["second.bias"]


def smooth(field):
    """Gaussian blur of float32 [n, 2, 28, 28], one axis after the other, scaled to elastic_strength rms (in pixels)."""
    radius = int(3 * elastic_sigma)
    taps = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / elastic_sigma) ** 2)
    n = field.shape[0]
    # As a product with a 28 x 28 band matrix, the fastest form at this size.
    offset = torch.arange(28)[:, None] - torch.arange(28)[None, :]
    band = torch.where(offset.abs() <= radius, taps[(offset + radius).clamp(0, 2 * radius)], torch.zeros(()))
    blurred = band @ field.reshape(n * 2, 28, 28) @ band.T
    blurred = blurred.reshape(n, 2, 28, 28)
    return blurred * (elastic_strength / blurred.square().mean((1, 2, 3), keepdim=True).sqrt())


def augment(x):
    """Each image of float32 [n, 1, 28, 28] turned, scaled, sheared, shifted and bent at random.

    Bilinear, zero outside. Every image draws its own amounts, uniform up to the constants above.
    """
    n = x.shape[0]

    def uniform(bound):
        return (torch.rand(n) * 2 - 1) * bound

    angle = uniform(math.radians(max_rotation))
    scale_x, scale_y = 1 + uniform(max_scale), 1 + uniform(max_scale)
    shear = uniform(max_shear)
    c, s = torch.cos(angle), torch.sin(angle)
    theta = torch.empty(n, 2, 3)
    theta[:, 0, 0] = c * scale_x
    theta[:, 0, 1] = (c * shear - s) * scale_x
    theta[:, 1, 0] = s * scale_y
    theta[:, 1, 1] = (s * shear + c) * scale_y
    # Coordinates run from -1 to 1 over 28 pixels: one pixel is 1/14.
    theta[:, 0, 2] = uniform(max_shift / 14)
    theta[:, 1, 2] = uniform(max_shift / 14)
    grid = F.affine_grid(theta, x.shape, align_corners=False)
    bend = smooth(torch.randn(n, 2, 28, 28)) / 14
    strength = torch.rand(n, 1, 1, 1)
    return F.grid_sample(x, grid + strength * bend.permute(0, 2, 3, 1), align_corners=False)


def train(images, labels, epoch_count):
    """Trains from the fixed seed: AdamW, one warm-up epoch, then half a cosine down to zero. Returns the weights."""
    torch.manual_seed(training_seed)
    weights = initial_weights()
    x, y = to_input(images), torch.from_numpy(labels.astype(np.int64))
    decayed = [t for name, t in weights.items() if name.endswith("weight")]
    plain = [t for name, t in weights.items() if name.endswith("bias")]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": weight_decay},
                                   {"params": plain, "weight_decay": 0.0}], lr=peak_rate)
    steps_each = len(x) // batch_size
    total = steps_each * epoch_count
    step = 0
    for epoch in range(epoch_count):
        order = torch.randperm(len(x))
        running = 0.0
        for b in range(steps_each):
            rate = peak_rate * min((step + 1) / steps_each, 0.5 * (1 + math.cos(math.pi * step / total)))
            for group in optimizer.param_groups:
                group["lr"] = rate
            pick = order[b * batch_size:(b + 1) * batch_size]
            loss = F.cross_entropy(logits(weights, augment(x[pick]), training=True), y[pick])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            running += loss.item()
            step += 1
        print(f"epoch {epoch + 1:3} of {epoch_count}: loss {running / steps_each:.4f}", flush=True)
    return {name: tensor.detach() for name, tensor in weights.items()}


def right_answers(weights, images, labels):
    """How many of the digits the network names rightly."""
    with torch.no_grad():
        answers = logits(weights, to_input(images)).argmax(1).numpy()
    return int((answers == labels).sum())


def save_safetensors(path, weights, note):
    """Writes the safetensors format: length of the header (8 bytes, little-endian), JSON header, raw data in order.

    The header is padded with blanks to a multiple of 8 bytes, so that the data are aligned.
    """
    header = {"__metadata__": note}
    blob = b""
    for name, tensor in weights.items():
        data = tensor.numpy().astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [len(blob), len(blob) + len(data)]}
        blob += data
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + blob)


def main():
    parser = argparse.ArgumentParser(description="Trains the digits network of the examples.")
    parser.add_argument("mnist", type=pathlib.Path, help="folder with images.u8.gz and labels.u8")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent)
    parser.add_argument("--held-out", type=pathlib.Path,
                        help="also write the 2000 held-out digits and a reference here")
    parser.add_argument("--epochs", type=int, default=epochs)
    parser.add_argument("--validate", action="store_true", help="try settings on the last 2000 training digits")
    options = parser.parse_args()

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    print(f"PyTorch {torch.__version__}, numpy {np.__version__}")
    images, labels = load_digits(options.mnist)
    cut = digit_count - held_out_count

    if options.validate:
        cut -= validation_count
        weights = train(images[:cut], labels[:cut], options.epochs)
        right = right_answers(weights, images[cut:cut + validation_count], labels[cut:cut + validation_count])
        print(f"validation: {right} of {validation_count}")
        return

    weights = train(images[:cut], labels[:cut], options.epochs)
    held_images, held_labels = images[cut:], labels[cut:]
    for count in (held_out_count, shipped_count):
        right = right_answers(weights, held_images[:count], held_labels[:count])
        print(f"held out: {right} of {count} right, {100 * right / count:.2f}%")

    options.out.mkdir(parents=True, exist_ok=True)
    save_safetensors(options.out / "digits.safetensors", weights,
                     {"network": "digits 28x28, NCHW, OIHW, linear [in, out]", "input": "byte / 255, float32"})
    (options.out / "digits_images.u8").write_bytes(held_images[:shipped_count].tobytes())
    (options.out / "digits_labels.u8").write_bytes(held_labels[:shipped_count].tobytes())

    if options.held_out:
        options.held_out.mkdir(parents=True, exist_ok=True)
        (options.held_out / "images.u8").write_bytes(held_images.tobytes())
        (options.held_out / "labels.u8").write_bytes(held_labels.tobytes())
        with torch.no_grad():
            probabilities = logits(weights, to_input(held_images[:reference_count])).softmax(1).numpy()
        np.savez(options.held_out / "reference.npz", probabilities=probabilities, labels=held_labels[:reference_count])
        (options.held_out / "reference.json").write_text(json.dumps(
            {"labels": held_labels[:reference_count].tolist(), "probabilities": probabilities.tolist()}, indent=1))


if __name__ == "__main__":
    main()
