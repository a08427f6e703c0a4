"""Writes fixtures/quantized: a small float network and what onnxruntime's quantize_static makes of it.

conv2 has an output channel 60 times as wide as the others (conv3 divides by it): per tensor, int8 loses the rest.
Run from the repository root: python3 scripts/quantized-fixtures.py
"""

import pathlib
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

OUT = pathlib.Path("fixtures/quantized")
random = np.random.default_rng(7)
VERSIONS = f"onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}, numpy {np.__version__}"


def network():
    weights = {}

    def tensor(name, *dims, spread=1.0, center=0.0):
        weights[name] = (center + spread * random.standard_normal(dims)).astype(np.float32)
        return name

    def conv(name, data, inputs, outputs, bias=True):
        names = [data, tensor(f"{name}.weight", outputs, inputs, 3, 3, spread=(2 / (9 * inputs)) ** 0.5)]
        if bias:
            names.append(tensor(f"{name}.bias", outputs, spread=0.1))
        return helper.make_node("Conv", names, [f"{name}_out"], name, kernel_shape=[3, 3], pads=[1, 1, 1, 1])

    nodes = [
        conv("conv1", "input", 3, 8, bias=False),
        helper.make_node(
            "BatchNormalization",
            [
                "conv1_out",
                tensor("bn1.scale", 8, spread=0.1, center=1),
                tensor("bn1.bias", 8, spread=0.1),
                tensor("bn1.mean", 8, spread=0.1),
                tensor("bn1.var", 8, spread=0.05, center=1),
            ],
            ["bn1_out"],
            "bn1",
        ),
        helper.make_node("Relu", ["bn1_out"], ["relu1_out"], "relu1"),
        conv("conv2", "relu1_out", 8, 8),
        helper.make_node("Relu", ["conv2_out"], ["relu2_out"], "relu2"),
        conv("conv3", "relu2_out", 8, 8),
        helper.make_node("Add", ["conv3_out", "relu1_out"], ["add_out"], "add"),
        helper.make_node("Relu", ["add_out"], ["relu3_out"], "relu3"),
        helper.make_node("GlobalAveragePool", ["relu3_out"], ["pool_out"], "pool"),
        helper.make_node("Flatten", ["pool_out"], ["flat_out"], "flatten"),
        helper.make_node(
            "Gemm", ["flat_out", tensor("fc.weight", 5, 8), tensor("fc.bias", 5)], ["logits"], "fc", transB=1
        ),
    ]
    weights["conv2.weight"][3] *= 60
    weights["conv2.bias"][3] *= 60
    weights["conv3.weight"][:, 3] /= 60
    graph = helper.make_graph(
        nodes,
        "planted",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 5])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


class Reader(CalibrationDataReader):
    def __init__(self, count=32):
        values = np.random.default_rng(1).uniform(-1, 1, (count, 1, 3, 8, 8)).astype(np.float32)
        self.items = iter([{"input": value} for value in values])

    def get_next(self):
        return next(self.items, None)


def save(model, name):
    del model.metadata_props[:]
    helper.set_model_props(model, {"versions": VERSIONS})
    OUT.mkdir(parents=True, exist_ok=True)
    onnx.save(model, OUT / name)


U8, S8 = QuantType.QUInt8, QuantType.QInt8
CASES = {
    # name: (folded by onnxruntime first, activations, weights by channel)
    "ort-tensor-uint8.onnx": (True, U8, False),
    "ort-tensor-int8.onnx": (True, S8, False),
    "ort-channel-uint8.onnx": (True, U8, True),
    "ort-channel-int8-unfolded.onnx": (False, S8, True),
}

model = network()
save(model, "float.onnx")
with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder)
    quant_pre_process(str(OUT / "float.onnx"), str(path / "folded.onnx"))
    for name, (folded, activations, per_channel) in CASES.items():
        source = path / "folded.onnx" if folded else OUT / "float.onnx"
        quantize_static(
            str(source),
            str(path / name),
            Reader(),
            quant_format=QuantFormat.QDQ,
            activation_type=activations,
            weight_type=S8,
            per_channel=per_channel,
        )
        save(onnx.load(path / name), name)
print(VERSIONS)
