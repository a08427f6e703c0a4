"""How packages/cli/assets/digits.onnx was made: the digit network of seed 004 (MathWorks, pruning example), trained on equant's own digits.

Run from the repository root after `npm ci`:  python scripts/make-digits-model.py
Needs Python with numpy, torch and onnx; made with torch 2.13.0 (CPU), onnx 1.23.2. Another version of torch, or another number of
threads, may train to slightly different weights; the committed file is the reference, docs/digits.md states its accuracy.

Images 0..7499 of seed 0 train, 7500..9999 are held out (DIGIT_SPLIT in packages/core/src/data/digits.ts): 75 % and 25 % of every class.
SGD, momentum 0.9, rate 0.01, 10 epochs, batch 128, shuffled every epoch: the settings of the seed.
"""

import subprocess
import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

TRAIN, HELD_OUT, SEED = 7500, 2500, 0
OUT = Path("packages/cli/assets/digits.onnx")


def draw_images() -> np.ndarray:
    """The very images equant draws: the TypeScript generator is bundled and run."""
    with tempfile.TemporaryDirectory() as folder:
        bundle, raw = Path(folder, "digits.mjs"), Path(folder, "images.bin")
        source = "packages/core/src/data/digits.ts"
        esbuild = "node_modules/esbuild/bin/esbuild"
        subprocess.run([esbuild, source, "--bundle", "--format=esm", f"--outfile={bundle}", "--log-level=error"], check=True)
        code = (
            f"import {{ digitImage }} from {str(bundle)!r}; import {{ writeFileSync }} from 'node:fs';"
            f"const all = new Uint8Array({TRAIN + HELD_OUT} * 784);"
            f"for (let i = 0; i < {TRAIN + HELD_OUT}; i++) all.set(digitImage(i, {SEED}), i * 784);"
            f"writeFileSync({str(raw)!r}, all);"
        )
        subprocess.run(["node", "--input-type=module", "-e", code], check=True)
        return np.fromfile(raw, np.uint8).reshape(-1, 1, 28, 28)


def build() -> nn.Sequential:
    """Glorot weights and zero biases: what the seed's layers start from."""
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(32 * 7 * 7, 10),
    )  # fmt: skip
    for layer in net:
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    return net


def train(net: nn.Sequential, x: torch.Tensor, y: torch.Tensor, epochs: int = 10, batch: int = 128) -> None:
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(batch):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
            optimizer.step()


def accuracy(net: nn.Sequential, x: torch.Tensor, y: torch.Tensor) -> float:
    with torch.no_grad():
        return (net(x).argmax(1) == y).float().mean().item()


def export(net: nn.Sequential) -> onnx.ModelProto:
    nodes, weights, value, convs, pools = [], [], "input", 0, 0

    def add(op: str, name: str, *inputs: str, output: str = "", **attributes) -> None:
        nonlocal value
        value_out = output or f"{name}_out"
        nodes.append(helper.make_node(op, [value, *inputs], [value_out], name=name, **attributes))
        value = value_out

    def parameters(layer: nn.Module, name: str) -> tuple[str, str]:
        for kind in ("weight", "bias"):
            weights.append(numpy_helper.from_array(getattr(layer, kind).detach().numpy(), f"{name}.{kind}"))
        return f"{name}.weight", f"{name}.bias"

    for layer in net:
        if isinstance(layer, nn.Conv2d):
            convs += 1
            add("Conv", f"conv_{convs}", *parameters(layer, f"conv_{convs}"), kernel_shape=[3, 3], pads=[1, 1, 1, 1])
        elif isinstance(layer, nn.ReLU):
            add("Relu", f"relu_{convs}")
        elif isinstance(layer, nn.MaxPool2d):
            pools += 1
            add("MaxPool", f"maxpool_{pools}", kernel_shape=[2, 2], strides=[2, 2])
        elif isinstance(layer, nn.Flatten):
            add("Flatten", "flatten", axis=1)
        else:
            add("Gemm", "fc", *parameters(layer, "fc"), output="logits", transB=1)
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 1, 28, 28])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 10])],
        weights,
    )
    model = helper.make_model(graph, ir_version=8, producer_name="equant", opset_imports=[helper.make_opsetid("", 17)])
    model.doc_string = "Digit classifier, 28x28 grayscale, values 0 to 1. See docs/digits.md."
    helper.set_model_props(model, {"classes": "0,1,2,3,4,5,6,7,8,9"})
    onnx.checker.check_model(model, full_check=True)
    return model


if __name__ == "__main__":
    torch.manual_seed(0)
    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(True)
    images = torch.from_numpy(draw_images()).float() / 255
    labels = torch.arange(len(images)) % 10
    net = build()
    assert sum(p.numel() for p in net.parameters()) == 21578
    train(net, images[:TRAIN], labels[:TRAIN])
    print(f"train    {accuracy(net, images[:TRAIN], labels[:TRAIN]):.4f}")
    print(f"held out {accuracy(net, images[TRAIN:], labels[TRAIN:]):.4f}")
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_bytes(export(net).SerializeToString())
    print(f"{OUT}  {OUT.stat().st_size} bytes")
