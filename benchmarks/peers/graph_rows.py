"""What a hand-written service with onnxruntime does with rows: columns of the graph, and back."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
import onnxruntime

DTYPES = {"tensor(double)": np.float64, "tensor(int64)": np.int64, "tensor(bool)": np.bool_}


class Graph:
    """One session of one thread, and the names of what goes in and comes out."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            os.environ["GRAPH"], options, providers=["CPUExecutionProvider"]
        )
        layout = json.loads(self.session.get_modelmeta().custom_metadata_map["modelyard.layout"])
        self.blocks = {block["kind"]: block for block in layout["blocks"]}
        wanted = [k for k in ("prediction", "probabilities") if k in self.blocks]
        self.outputs = [self.blocks[kind]["tensor"] for kind in wanted]
        self.columns = json.loads(os.environ["COLUMNS"])
        self.inputs = {one.name: one.type for one in self.session.get_inputs()}
        self.classes = self.blocks["prediction"]["classes"]

    def feeds(self, rows: list[dict[str, Any]]) -> dict[str, np.ndarray]:
        """The graph's inputs out of the rows."""
        if "x" in self.inputs:
            cells = [[row[name] for name in self.columns] for row in rows]
            return {"x": np.array(cells, dtype=np.float64)}
        feeds = {}
        for at, name in enumerate(self.columns):
            cells = [row[name] for row in rows]
            kind = self.inputs[f"c{at}"]
            if kind == "tensor(string)":
                filled = ["" if cell is None else cell for cell in cells]
                feeds[f"c{at}"] = np.array(filled, dtype=object).reshape(-1, 1)
                if f"n{at}" in self.inputs:
                    gone = [cell is None for cell in cells]
                    feeds[f"n{at}"] = np.array(gone).reshape(-1, 1)
            else:
                feeds[f"c{at}"] = np.array(cells, dtype=DTYPES[kind]).reshape(-1, 1)
        return feeds

    def answer(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """Predictions, and probabilities where the graph gives them."""
        found = self.session.run(self.outputs, self.feeds(rows))
        predictions = found[0].tolist()
        if self.classes is not None:
            predictions = [self.classes[at] for at in predictions]
        answer = {"predictions": predictions}
        if len(found) > 1:
            answer["probabilities"] = found[1].tolist()
        return answer
