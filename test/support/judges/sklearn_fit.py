# Fits a clusterer of scikit-learn to the rows of a file of little-endian float32, writes it as an .npz the way
# `meanstream models import --help` says, and prints the cluster of every row:
# sklearn_fit.py rows.f32 dims KMeans|MiniBatchKMeans k with-scaler|bare out.npz
import sys

import numpy as np
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

rows, dims, kind, k, scaling, out = sys.argv[1:]
points = np.fromfile(rows, dtype="<f4").reshape(-1, int(dims)).astype("f8")
kmeans = {"KMeans": KMeans, "MiniBatchKMeans": MiniBatchKMeans}[kind](int(k), n_init=3, random_state=7)
scaler = StandardScaler() if scaling == "with-scaler" else None
pipeline = make_pipeline(*[step for step in (scaler, kmeans) if step is not None]).fit(points)
arrays = {"cluster_centers": kmeans.cluster_centers_, "counts": np.bincount(kmeans.labels_, minlength=int(k))}
if scaler is not None:
    arrays |= {"mean": scaler.mean_, "scale": scaler.scale_}
np.savez(out, inertia=kmeans.inertia_, **arrays)
print("\n".join(str(label) for label in pipeline.predict(points)))
