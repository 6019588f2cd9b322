"""What a hand-written service with onnxruntime does with rows: columns of the graph, and back."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
import onnxruntime


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
        self.inputs = {one.name for one in self.session.get_inputs()}
        columns = json.loads(os.environ["COLUMNS"])
        texts = json.loads(os.environ["TEXTS"])
        self.texts = [name for name in columns if name in texts]
        self.numbers = [name for name in columns if name not in texts]
        self.classes = self.blocks["prediction"]["classes"]

    def feeds(self, rows: list[dict[str, Any]]) -> dict[str, np.ndarray]:
        """The graph's inputs out of the rows: the numbers as one matrix, the texts as another."""
        cells = [[row[name] for name in self.numbers] for row in rows]
        feeds = {"x": np.array(cells, dtype=np.float64)}
        if "s" in self.inputs:
            words = [[row[name] for name in self.texts] for row in rows]
            feeds["s"] = np.array(words, dtype=object)
        if "n" in self.inputs:
            feeds["n"] = np.equal(feeds["s"], None)
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
