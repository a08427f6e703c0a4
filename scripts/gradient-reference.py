"""PyTorch's gradients for the cases of packages/core/test/gradient: writes fixtures/gradients.json next to them.

Run from the repository root:  python scripts/gradient-reference.py
Made with torch 2.13.0 (CPU), float64, rounded to float32 inputs as the tests feed them.

A case is a loss sum(w * f(inputs)); inputs and w come from one formula that both sides share, frac((i + 1) * phi + seed * psi).
Of every gradient at most 8 elements are kept, number i at (i * 9973) mod size.
"""

import json
import math
from pathlib import Path

import torch
import torch.nn.functional as F

OUT = Path("packages/core/test/gradient/fixtures/gradients.json")
KEPT = 8
torch.set_default_dtype(torch.float64)


def numbers(count: int, seed: int) -> torch.Tensor:
    values = [((i + 1) * 0.6180339887498949 + seed * 0.7548776662466927) for i in range(count)]
    return torch.tensor([v - math.floor(v) for v in values])


def tensor(dims, low, high, seed):
    values = (low + (high - low) * numbers(math.prod(dims), seed)).float().double()
    return values.reshape(dims)


def sample(values: torch.Tensor) -> list[float]:
    flat = values.reshape(-1).tolist()
    size = len(flat)
    indices = range(size) if size <= KEPT else [(i * 9973) % size for i in range(KEPT)]
    return [float(f"{flat[i]:.8g}") for i in indices]


CASES = {}


def case(name, inputs, f):
    leaves = [tensor(dims, low, high, seed + 1).requires_grad_() for seed, (dims, low, high) in enumerate(inputs)]
    y = f(*leaves)
    w = (2 * numbers(y.numel(), 99) - 1).float().double().reshape(y.shape)
    loss = (w * y).sum()
    gradients = torch.autograd.grad(loss, leaves)
    CASES[name] = {
        "inputs": [[list(dims), low, high] for dims, low, high in inputs],
        "gradients": [sample(g) for g in gradients],
    }


ANY, POSITIVE = ([3, 5], -2, 2), ([3, 5], 0.3, 2.5)
WIDE = ([3, 5], -4.5, 4.5)
for name, f, spec in [
    ("Relu", F.relu, ANY), ("LeakyRelu", lambda x: F.leaky_relu(x, 0.2), ANY), ("Elu", lambda x: F.elu(x, 0.7), ANY),
    ("Sigmoid", torch.sigmoid, ANY), ("Tanh", torch.tanh, ANY), ("Softplus", F.softplus, ANY),
    ("HardSigmoid", F.hardsigmoid, WIDE), ("HardSwish", F.hardswish, WIDE), ("Erf", torch.erf, ANY),
    ("Gelu", F.gelu, ANY), ("Gelu tanh", lambda x: F.gelu(x, approximate="tanh"), ANY), ("Exp", torch.exp, ANY),
    ("Log", torch.log, POSITIVE), ("Sqrt", torch.sqrt, POSITIVE), ("Reciprocal", torch.reciprocal, POSITIVE),
    ("Neg", torch.neg, ANY), ("Abs", torch.abs, ANY), ("Sin", torch.sin, ANY), ("Cos", torch.cos, ANY),
    ("Identity", lambda x: x * 1, ANY), ("Clip", lambda x: x.clamp(-0.5, 1.1), ANY), ("Clip below", lambda x: x.clamp(max=0.4), ANY),
    ("Pow square", lambda x: x**2, ANY), ("Pow cube", lambda x: x**3, ANY),
    ("fan out", lambda x: x * x + x.exp() - x, ANY),
]:  # fmt: skip
    case(name, [spec], f)

case("Clip bounds", [ANY, ([], -0.9, -0.8), ([], 0.8, 0.9)], lambda x, low, high: x.clamp(low, high))
PAIR, BROADCAST = [([2, 3, 4], -2, 2), ([2, 3, 4], 0.5, 2)], [([2, 1, 4], -2, 2), ([3, 1], 0.5, 2)]
THREE = [ANY, ([5], -1, 1), ([3, 1], -1, 1)]
for name, f in [("Add", torch.add), ("Sub", torch.sub), ("Mul", torch.mul), ("Div", torch.div), ("Max", torch.maximum), ("Min", torch.minimum)]:
    case(name, PAIR, f)
    if name != "Max":
        case(f"{name} broadcast", BROADCAST, f)
case("Mul scalar", [ANY, ([], 0.5, 1)], torch.mul)
case("Add vector", [([4, 3, 2], -1, 1), ([2], -1, 1)], torch.add)
case("Sum three", THREE, lambda a, b, c: a + b + c)
case("Mean three", THREE, lambda a, b, c: (a + b + c) / 3)
case("Max three", THREE, lambda a, b, c: torch.maximum(torch.maximum(a, b), c))
case("Pow", [POSITIVE, ([3, 5], -1.5, 2.5)], torch.pow)
case("Pow broadcast", [POSITIVE, ([5], -1.5, 2.5)], torch.pow)
case("PRelu", [([2, 3, 4], -2, 2), ([3, 1], 0.1, 0.4)], lambda x, a: F.prelu(x, a.reshape(-1)))
case("Where", [ANY, ([5], -1, 1)], lambda x, y: torch.where(x > 0.3, x, y))


def conv(name, x, w, bias=True, stride=1, dilation=1, pads=None, groups=1, output_padding=0):
    rank = len(w) - 2
    transposed = name.startswith("ConvTranspose")
    channels = w[1] * groups if transposed else w[0]
    inputs = [(x, -1, 1), (w, -1, 1)] + ([([channels], -1, 1)] if bias else [])
    pads = pads or [0] * (2 * rank)

    def f(x, w, b=None):
        if transposed:
            op = [F.conv_transpose1d, F.conv_transpose2d][rank - 1]
            return op(x, w, b, stride, pads[:rank], output_padding, groups, dilation)
        order = [p for axis in reversed(range(rank)) for p in (pads[axis], pads[axis + rank])]
        op = [F.conv1d, F.conv2d, F.conv3d][rank - 1]
        return op(F.pad(x, order), w, b, stride, 0, dilation, groups)

    case(name, inputs, f)


conv("Conv", [2, 3, 5, 6], [4, 3, 3, 3], pads=[1] * 4)
conv("Conv valid", [2, 3, 5, 6], [4, 3, 3, 2], bias=False)
conv("Conv 1x1", [2, 3, 4, 4], [5, 3, 1, 1])
conv("Conv 1x1 strided", [2, 3, 5, 6], [4, 3, 1, 1], bias=False, stride=2)
conv("Conv strides", [2, 3, 7, 6], [4, 3, 3, 3], stride=[2, 3], pads=[1] * 4)
conv("Conv dilations", [2, 2, 7, 8], [3, 2, 3, 2], dilation=[2, 3], pads=[1, 2, 1, 2])
conv("Conv uneven pads", [1, 2, 6, 5], [3, 2, 3, 3], stride=2, pads=[0, 1, 2, 0])
conv("Conv wide pads", [1, 2, 4, 4], [3, 2, 2, 2], bias=False, pads=[3, 2, 2, 3])
conv("Conv groups", [2, 4, 5, 5], [6, 2, 3, 3], groups=2, pads=[1] * 4)
conv("Conv groups strided", [2, 4, 5, 6], [6, 2, 3, 3], bias=False, groups=2, stride=2, pads=[1] * 4)
conv("Conv depthwise", [2, 4, 5, 5], [4, 1, 3, 3], groups=4, pads=[1] * 4)
conv("Conv depthwise strided", [2, 3, 6, 6], [3, 1, 3, 3], bias=False, groups=3, stride=2, pads=[0, 0, 1, 1])
conv("Conv depthwise multiplier", [2, 3, 5, 5], [6, 1, 3, 3], bias=False, groups=3, pads=[1] * 4)
conv("Conv 1-D", [2, 3, 9], [4, 3, 3], stride=2, dilation=2, pads=[1, 2])
conv("Conv 1-D depthwise", [2, 3, 8], [3, 1, 5], groups=3, pads=[4, 0])
conv("Conv 3-D", [1, 2, 4, 3, 4], [2, 2, 2, 2, 2], bias=False, stride=[2, 1, 1])
conv("Conv many channels", [1, 16, 11, 11], [3, 16, 3, 3], bias=False, pads=[1] * 4)
conv("Conv large kernel", [1, 1, 10, 10], [2, 1, 9, 9], bias=False, pads=[2] * 4)
conv("Conv SAME_UPPER", [2, 2, 6, 5], [3, 2, 3, 3], bias=False, stride=2, pads=[0, 1, 1, 1])
conv("Conv SAME_LOWER", [2, 2, 6, 5], [3, 2, 2, 2], bias=False, pads=[1, 1, 0, 0])
conv("Conv VALID", [2, 2, 6, 5], [3, 2, 2, 2], bias=False)
conv("ConvTranspose", [2, 3, 4, 3], [3, 2, 3, 3], pads=[1] * 4)
conv("ConvTranspose strides", [2, 3, 4, 3], [3, 2, 3, 3], stride=[2, 3], pads=[1, 0, 1, 0], output_padding=[1, 2])
conv("ConvTranspose groups", [2, 4, 3, 3], [4, 2, 2, 2], groups=2, stride=2)
conv("ConvTranspose depthwise", [2, 3, 3, 4], [3, 1, 3, 3], bias=False, groups=3, stride=2, pads=[1] * 4)
conv("ConvTranspose 1-D", [2, 3, 5], [3, 2, 4], stride=2, pads=[1, 1])


def gemm(name, a, b, c=None, ta=False, tb=False, alpha=1.0, beta=1.0):
    def f(a, b, c=None):
        y = alpha * ((a.T if ta else a) @ (b.T if tb else b))
        return y if c is None else y + beta * c

    case(name, [(a, -1, 1), (b, -1, 1)] + ([(c, -1, 1)] if c else []), f)


gemm("Gemm", [4, 3], [3, 5], [5])
gemm("Gemm transB", [4, 3], [5, 3], [5], tb=True)
gemm("Gemm transA", [3, 4], [3, 5], [4, 1], ta=True, alpha=0.5, beta=2)
gemm("Gemm transA transB", [3, 4], [5, 3], ta=True, tb=True, alpha=1.5)
for name, a, b in [
    ("MatMul", [4, 3], [3, 5]), ("MatMul rows", [2, 4, 3], [3, 5]), ("MatMul batch", [2, 3, 4, 5], [2, 3, 5, 2]),
    ("MatMul broadcast", [5, 1, 2, 3], [4, 3, 2]), ("MatMul left matrix", [2, 3], [4, 3, 5]),
    ("MatMul vector right", [2, 4, 3], [3]), ("MatMul vector left", [3], [2, 3, 4]), ("MatMul dot", [4], [4]),
]:  # fmt: skip
    case(name, [(a, -1, 1), (b, -1, 1)], torch.matmul)

for name, x, f in [
    ("MaxPool", [2, 3, 4, 6], lambda x: F.max_pool2d(x, 2)), ("MaxPool odd", [2, 3, 5, 7], lambda x: F.max_pool2d(x, 2)),
    ("MaxPool overlapping", [2, 3, 7, 7], lambda x: F.max_pool2d(x, 3, 2, 1)), ("MaxPool wide", [2, 3, 6, 9], lambda x: F.max_pool2d(x, [2, 3], 3)),
    ("MaxPool dilations", [2, 2, 7, 7], lambda x: F.max_pool2d(x, 2, 2, 0, 2)), ("MaxPool ceil", [2, 2, 5, 5], lambda x: F.max_pool2d(x, 2, ceil_mode=True)),
    ("MaxPool 1-D", [2, 3, 8], lambda x: F.max_pool1d(x, 2)), ("AveragePool", [2, 3, 4, 6], lambda x: F.avg_pool2d(x, 2)),
    ("AveragePool padded", [2, 3, 5, 5], lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)),
    ("AveragePool include pad", [2, 3, 5, 5], lambda x: F.avg_pool2d(x, 3, 2, 1)), ("AveragePool overlapping", [2, 2, 6, 6], lambda x: F.avg_pool2d(x, 3, 1)),
    ("AveragePool ceil", [2, 2, 5, 5], lambda x: F.avg_pool2d(x, 2, ceil_mode=True)), ("AveragePool 1-D", [2, 3, 9], lambda x: F.avg_pool1d(x, 3, 2)),
    ("GlobalAveragePool", [2, 3, 4, 5], lambda x: x.mean((2, 3), True)), ("GlobalMaxPool", [2, 3, 4, 5], lambda x: F.adaptive_max_pool2d(x, 1)),
]:  # fmt: skip
    case(name, [(x, -1, 1)], f)

VECTORS = [([2], 0.5, 1.5), ([2], -1, 1)]
case(
    "BatchNormalization", [([3, 2, 3, 2], -1, 1), *VECTORS, ([2], -1, 1), ([2], 0.5, 2)],
    lambda x, s, b, m, v: (x - m[:, None, None]) / (v[:, None, None] + 0.01).sqrt() * s[:, None, None] + b[:, None, None],
)  # fmt: skip
case(
    "BatchNormalization vectors", [([4, 3], -1, 1), ([3], 0.5, 1.5), ([3], -1, 1), ([3], -1, 1), ([3], 0.5, 2)],
    lambda x, s, b, m, v: (x - m) / (v + 0.01).sqrt() * s + b,
)  # fmt: skip
case(
    "BatchNormalization training", [([3, 2, 3, 2], -1, 1), *VECTORS],
    lambda x, s, b: F.batch_norm(x, None, None, s, b, training=True, eps=0.01),
)  # fmt: skip
case("LayerNormalization", [([2, 3, 5], -1, 1), ([5], 0.5, 1.5), ([5], -1, 1)], lambda x, s, b: F.layer_norm(x, [5], s, b, 0.01))
case("LayerNormalization two axes", [([2, 3, 5], -1, 1), ([3, 5], 0.5, 1.5), ([3, 5], -1, 1)], lambda x, s, b: F.layer_norm(x, [3, 5], s, b, 0.01))
case("InstanceNormalization", [([2, 3, 3, 4], -1, 1), ([3], 0.5, 1.5), ([3], -1, 1)], lambda x, s, b: F.instance_norm(x, weight=s, bias=b, eps=0.01))
for name, axis in [("", -1), (" axis 1", 1)]:
    case(f"Softmax{name}", [([2, 4, 3], -2, 2)], lambda x, axis=axis: x.softmax(axis))
    case(f"LogSoftmax{name}", [([2, 4, 3], -2, 2)], lambda x, axis=axis: x.log_softmax(axis))

X = ([2, 3, 4], -1, 1)
for name, spec, f in [
    ("Reshape", X, lambda x: x.reshape(2, -1)), ("Flatten", X, lambda x: x.flatten(1)), ("Transpose", X, lambda x: x.permute(2, 0, 1)),
    ("Transpose default", X, lambda x: x.permute(2, 1, 0)), ("Squeeze", ([2, 1, 3], -1, 1), lambda x: x.squeeze(1)),
    ("Unsqueeze", X, lambda x: x.unsqueeze(1).unsqueeze(4)), ("Slice", X, lambda x: x[:, 1:, -3:-1]),
    ("Slice steps", X, lambda x: x.flip(1)[:, ::2, 1:4:2]), ("Split", X, lambda x: x.split([1, 2, 1], 2)[2]),
    ("Split halves", X, lambda x: x[..., :2] * x[..., 2:].exp()), ("Pad", X, lambda x: F.pad(x[:, :, 1:], [0, 1, 1, 2])),
    ("Pad axes", X, lambda x: F.pad(x, [2, 1])), ("Pad reflect", X, lambda x: F.pad(x, [2, 1], mode="reflect")),
    ("Pad edge", X, lambda x: F.pad(x, [2, 1], mode="replicate")), ("Expand", ([3, 1], -1, 1), lambda x: x.expand(2, 3, 4)),
    ("Tile", X, lambda x: x.tile(1, 2, 1)), ("Gather", X, lambda x: x[:, [2, 0, 2, 1]]), ("Gather scalar", X, lambda x: x[:, 1]),
    ("Gather rows", ([5, 4], -1, 1), lambda x: x[torch.tensor([[3, 1], [3, 0]])]),
    ("GatherElements", ([2, 4], -1, 1), lambda x: x.gather(1, torch.tensor([[1, 0, 1], [3, 3, 2]]))),
    ("Resize nearest", ([2, 2, 4, 3], -1, 1), lambda x: F.interpolate(x, scale_factor=[2, 3], mode="nearest")),
    ("Resize linear", ([2, 2, 4, 3], -1, 1), lambda x: F.interpolate(x, scale_factor=[2, 1.5], mode="bilinear", align_corners=False)),
    ("Resize cubic", ([2, 2, 4, 3], -1, 1), lambda x: F.interpolate(x, scale_factor=[2, 3], mode="bicubic", align_corners=False)),
    ("Resize sizes", ([2, 2, 4, 3], -1, 1), lambda x: F.interpolate(x, size=[7, 5], mode="bilinear", align_corners=False)),
    ("NegativeLogLikelihoodLoss", ([4, 3], -2, -1), lambda x: F.nll_loss(x, torch.tensor([2, 0, 1, 2]), reduction="sum")),
    ("SoftmaxCrossEntropyLoss", ([4, 3], -2, 2), lambda x: F.cross_entropy(x, torch.tensor([2, 0, 1, 2]))),
]:  # fmt: skip
    case(name, [spec], f)
LOGITS = ([4, 3], -2, 2)
case("cross-entropy", [LOGITS], lambda x: F.cross_entropy(x, torch.tensor([2, 0, 1, 2])))
case("mean-square", [LOGITS, LOGITS], F.mse_loss)
case("KL divergence", [LOGITS, LOGITS], lambda x, y: 4 * F.kl_div((x / 2).log_softmax(1), (y / 2).log_softmax(1), reduction="batchmean", log_target=True))
case("Concat", [X, ([2, 1, 4], -1, 1), ([2, 2, 4], -1, 1)], lambda *x: torch.cat(x, 1))
case("attention", [X, X, X], lambda q, k, v: (0.5 * q @ k.mT).softmax(-1) @ v)

for name, f in [
    ("ReduceSum", lambda x, a, k: x.sum(a, k)), ("ReduceMean", lambda x, a, k: x.mean(a, k)), ("ReduceMax", lambda x, a, k: x.amax(a, k)),
    ("ReduceMin", lambda x, a, k: x.amin(a, k)), ("ReduceL1", lambda x, a, k: x.abs().sum(a, k)), ("ReduceL2", lambda x, a, k: x.square().sum(a, k).sqrt()),
    ("ReduceSumSquare", lambda x, a, k: x.square().sum(a, k)), ("ReduceLogSum", lambda x, a, k: x.sum(a, k).log()),
    ("ReduceLogSumExp", lambda x, a, k: x.logsumexp(a, k)),
]:  # fmt: skip
    spec = ([2, 3, 4], 0.2 if name == "ReduceLogSum" else -1.2, 1.5)
    for label, axes, keep in [("", [1], True), (" axes", [-1, 0], False), (" all", [0, 1, 2], False)]:
        case(name + label, [spec], lambda x, f=f, axes=axes, keep=keep: f(x, axes, keep))
case("ReduceProd", [([2, 3, 4], -1.2, 1.5)], lambda x: x.prod(1, True))
case("ReduceProd all", [([2, 3, 4], -1.2, 1.5)], lambda x: x.prod())

# Straight-through: uint8 with one scale, int8 with one a channel; both ranges are left by some of the inputs.
case("fake quantize", [([3, 8], -1, 3)], lambda x: torch.fake_quantize_per_tensor_affine(x.float(), 1 / 128, 3, 0, 255).double())
case(
    "fake quantize channels", [([2, 3, 4], -3, 3)],
    lambda x: torch.fake_quantize_per_channel_affine(x.float(), torch.tensor([0.0078125, 0.015625, 0.03125], dtype=torch.float32), torch.tensor([0, 4, -9], dtype=torch.int32), 1, -128, 127).double(),
)  # fmt: skip

# Corners, where a convention decides: ties and bounds, on values given in full.
CORNERS = {}


def corner(name, rows, f):
    leaves = [torch.tensor(row, dtype=torch.float64).requires_grad_() for row in rows]
    y = f(*leaves)
    gradients = torch.autograd.grad(y.sum(), leaves)
    CORNERS[name] = {
        "dims": [list(x.shape) for x in leaves],
        "inputs": [x.reshape(-1).tolist() for x in leaves],
        "gradients": [[float(f"{v:.8g}") for v in g.reshape(-1).tolist()] for g in gradients],
    }


BOUNDS = [-3.0, -1.0, 0.0, 1.0, 3.0]
for name, f in [
    ("Relu", F.relu), ("LeakyRelu", lambda x: F.leaky_relu(x, 0.01)), ("Elu", F.elu), ("Abs", torch.abs), ("Sqrt", torch.sqrt),
    ("Clip", lambda x: x.clamp(-1, 1)), ("HardSigmoid", F.hardsigmoid), ("HardSwish", F.hardswish),
]:  # fmt: skip
    corner(name, [BOUNDS if name != "Sqrt" else [1.0, 4.0]], f)
corner("Max", [[1.0, 2.0, 3.0], [1.0, 3.0, 2.0]], torch.maximum)
corner("Min", [[1.0, 2.0, 3.0], [1.0, 3.0, 2.0]], torch.minimum)
corner("Pow", [[0.0, 0.0, 2.0, 3.0], [0.0, 2.0, 0.0, 1.0]], torch.pow)
corner("ReduceMax", [[[1.0, 1.0, 0.0], [2.0, 2.0, 2.0]]], lambda x: x.amax(1))
corner("ReduceMin", [[[1.0, 0.0, 0.0], [2.0, 2.0, 2.0]]], lambda x: x.amin(1))
corner("ReduceProd", [[[0.0, 3.0, 2.0], [0.0, 0.0, 2.0], [4.0, 3.0, 2.0]]], lambda x: x.prod(1))
corner("ReduceL2", [[[0.0, 0.0], [3.0, 4.0]]], lambda x: torch.linalg.vector_norm(x, dim=1))
TIES = [[[[1.0, 2.0, 0.0, 0.0], [2.0, 1.0, 0.0, 0.0], [5.0, 3.0, 4.0, 7.0], [5.0, 5.0, 7.0, 4.0]]]]
corner("MaxPool", [TIES], lambda x: F.max_pool2d(x, 2))
corner("MaxPool overlapping", [TIES], lambda x: F.max_pool2d(x, 3, 1))
corner("GlobalMaxPool", [TIES], lambda x: F.adaptive_max_pool2d(x, 1))
corner("fake quantize", [[-0.5, -3.5 / 128, -3 / 128, 0.0, 252 / 128, 252.4 / 128, 252.5 / 128, 253 / 128]], lambda x: torch.fake_quantize_per_tensor_affine(x.float(), 1 / 128, 3, 0, 255))

OUT.parent.mkdir(exist_ok=True)
header = {"torch": torch.__version__.split("+")[0], "script": "scripts/gradient-reference.py"}
rows = [f"    {json.dumps(name)}: {json.dumps(value, separators=(',', ':'))}" for name, value in CASES.items()]
corners = [f"    {json.dumps(name)}: {json.dumps(value, separators=(',', ':'))}" for name, value in CORNERS.items()]
OUT.write_text(
    "{\n" + "".join(f"  {json.dumps(k)}: {json.dumps(v)},\n" for k, v in header.items())
    + '  "cases": {\n' + ",\n".join(rows) + '\n  },\n  "corners": {\n' + ",\n".join(corners) + "\n  }\n}\n"
)  # fmt: skip
print(f"{OUT}  {len(CASES)} cases, {len(CORNERS)} corners, {OUT.stat().st_size} bytes")
