"""One training step of the digit network in PyTorch: the other half of bench/train-step.ts, which starts this and reads the milliseconds.

Reads the number of steps to time from every line of standard input, prints the milliseconds of each step on one line.
Needs Python with torch (CPU); made with torch 2.13.0.
"""

import sys
import time

import torch
from torch import nn

BATCH, THREADS = 128, 2

torch.manual_seed(0)
torch.set_num_threads(THREADS)
net = nn.Sequential(
    nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(32 * 7 * 7, 10),
)  # fmt: skip
optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
images, labels = torch.rand(BATCH, 1, 28, 28), torch.arange(BATCH) % 10


def step() -> float:
    start = time.perf_counter()
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(net(images), labels)
    loss.backward()
    optimizer.step()
    return (time.perf_counter() - start) * 1e3


for line in sys.stdin:
    print(" ".join(f"{step():.4f}" for _ in range(int(line))), flush=True)
