"""Figures of pycocotools for the random sets of packages/core/test/metrics/random-sets.ts.

usage: detection-reference.py SETS.json OUT.json   (scripts/detection-reference.mjs writes SETS.json and calls this)
needs: pip install pycocotools numpy
"""
import contextlib
import importlib.metadata
import io
import json
import sys

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def keypoint_box(points):
    return [min(points[0::3]), min(points[1::3]), max(points[0::3]) - min(points[0::3]), max(points[1::3]) - min(points[1::3])]


def figures(one, kind):
    images = [{"id": i + 1, "width": 400, "height": 400} for i in range(one["images"])]
    categories = [{"id": c, "name": str(c)} for c in sorted({x["class"] for x in one["truth"] + one["found"]})]
    truth = [
        {
            "id": i + 1, "image_id": x["image"] + 1, "category_id": x["class"], "bbox": x["box"], "area": x["area"],
            "iscrowd": int(x["crowd"]), "keypoints": x["keypoints"], "num_keypoints": sum(v > 0 for v in x["keypoints"][2::3]),
        }
        for i, x in enumerate(one["truth"])
    ]
    found = [
        {"image_id": x["image"] + 1, "category_id": x["class"], "score": x["score"]}
        | ({"bbox": x["box"]} if kind == "bbox" else {"keypoints": x["keypoints"]})
        for x in one["found"]
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        ours = COCO()
        ours.dataset = {"images": images, "annotations": truth, "categories": categories}
        ours.createIndex()
        theirs = ours.loadRes(found) if found else COCO()
        if not found:
            theirs.dataset = {"images": images, "annotations": [], "categories": categories}
            theirs.createIndex()
        run = COCOeval(ours, theirs, kind)
        run.evaluate()
        run.accumulate()
        run.summarize()
    return [None if s == -1 else float(s) for s in run.stats]


sets = json.load(open(sys.argv[1]))
result = {
    "pycocotools": importlib.metadata.version("pycocotools"),
    "numpy": np.__version__,
    "sets": [{"seed": s["seed"], "bbox": figures(s, "bbox"), "keypoints": figures(s, "keypoints")} for s in sets],
}
json.dump(result, open(sys.argv[2], "w"))
