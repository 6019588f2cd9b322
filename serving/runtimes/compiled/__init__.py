"""Models compiled to ONNX: converters, their verification, and the graph that answers in process.

What converts imports scikit-learn and lives in the model host; what answers imports onnxruntime and
numpy, and lives in web and workers.
"""
