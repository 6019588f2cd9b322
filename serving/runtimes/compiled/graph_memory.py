"""Plain: about what a graph takes in memory once onnxruntime has opened it."""

from __future__ import annotations

from serving.runtimes.compiled.graph_reader import Graph, texts_of

# Measured: a node of a tree takes 120 to 190 bytes in the forests of scikit-learn, and up to 370 in
# trees made of the smallest numbers, beside the bytes of the graph.
BASE_BYTES = 256 * 1024
_BYTES_AGAIN = 2
_TREE_NODE, _TEXT, _NODE = 350, 150, 4096


def reckoned_bytes(graph: Graph, graph_bytes: int) -> int:
    """By its tree nodes, texts and operators, and by its bytes, in which all constants are."""
    trees = (node for node in graph.nodes if node.operator == "TreeEnsemble")
    tree_nodes = sum(len(node.attributes["nodes_featureids"]) for node in trees)
    texts = sum(node.texts for node in graph.nodes)
    texts += sum(map(texts_of, graph.constants.values()))
    return (
        BASE_BYTES
        + _BYTES_AGAIN * graph_bytes
        + _TREE_NODE * tree_nodes
        + _TEXT * texts
        + _NODE * len(graph.nodes)
    )
