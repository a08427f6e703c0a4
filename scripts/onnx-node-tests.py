"""Writes the node tests that an installed onnx generates as folders of model.onnx and test_data_set_N, as older wheels of onnx bring them.

    python scripts/onnx-node-tests.py FOLDER
"""

import sys
from pathlib import Path

import numpy
import onnx
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases

out = Path(sys.argv[1])
for case in collect_testcases():
    if case.model is None:
        continue
    folder = out / case.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(case.model.SerializeToString())
    for number, (inputs, outputs) in enumerate(case.data_sets or []):
        data = folder / f"test_data_set_{number}"
        data.mkdir(exist_ok=True)
        for kind, values in (("input", inputs), ("output", outputs)):
            for index, value in enumerate(values):
                # Sequences, maps and optional values are left out: the runtime for Node does not take them.
                if isinstance(value, onnx.TensorProto):
                    proto = value
                elif isinstance(value, (numpy.ndarray, numpy.generic)):
                    proto = numpy_helper.from_array(numpy.asarray(value))
                else:
                    continue
                (data / f"{kind}_{index}.pb").write_bytes(proto.SerializeToString())
