# Clusters of the rows of a file of little-endian float32 by an ONNX model, "cluster_id distance" a line:
# onnx_judge.py model.onnx rows.f32
import sys

import numpy
import onnxruntime

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
dims = session.get_inputs()[0].shape[1]
rows = numpy.fromfile(sys.argv[2], dtype="<f4").reshape(-1, dims)
clusters, labels, distances = session.run(["cluster_id", "label", "distance"], {"points": rows})
assert len(clusters) == len(labels) == len(rows)
print("\n".join(f"{cluster} {distance!r}" for cluster, distance in zip(clusters, distances.tolist())))
