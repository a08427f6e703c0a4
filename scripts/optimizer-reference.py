"""PyTorch's optimizers for packages/core/test/train: writes fixtures/optimizers.json there.

Run from the repository root:  python scripts/optimizer-reference.py
Made with torch 2.13.0 (CPU), float64.

A linear layer learns another linear layer by mean square, five samples at once; given are the weights after eight steps
and the loss of the last one. All numbers come from one formula that both sides share, frac((i + 1) * phi + seed * psi).
"""

import json
import math
from pathlib import Path

import torch

OUT = Path("packages/core/test/train/fixtures/optimizers.json")
STEPS = 8
torch.set_default_dtype(torch.float64)


def numbers(dims: list[int], seed: int) -> torch.Tensor:
    values = [((i + 1) * 0.6180339887498949 + seed * 0.7548776662466927) for i in range(math.prod(dims))]
    return torch.tensor([2 * (v - math.floor(v)) - 1 for v in values]).float().double().reshape(dims)


OPTIMIZERS = {
    "sgd plain": lambda p: torch.optim.SGD(p, lr=0.1),
    "sgd momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "sgd nesterov": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.8, nesterov=True),
    "sgd decay": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.02),
    "adam": lambda p: torch.optim.Adam(p, lr=0.02),
    "adam decay": lambda p: torch.optim.Adam(p, lr=0.02, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.05),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.02, weight_decay=0.1),
}
result = {"torch": torch.__version__.split("+")[0], "script": "scripts/optimizer-reference.py", "steps": STEPS, "final": {}}
for name, make in OPTIMIZERS.items():
    x, target_w, target_b = numbers([5, 3], 1), numbers([2, 3], 2), numbers([2], 3)
    w, b = numbers([2, 3], 4).requires_grad_(), numbers([2], 5).requires_grad_()
    optimizer = make([w, b])
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(x @ w.T + b, x @ target_w.T + target_b)
        loss.backward()
        optimizer.step()
    result["final"][name] = {"weight": w.reshape(-1).tolist(), "bias": b.tolist(), "loss": loss.item()}

OUT.parent.mkdir(parents=True, exist_ok=True)
OUT.write_text(json.dumps(result, indent=1) + "\n")
print(OUT, OUT.stat().st_size, "bytes")
