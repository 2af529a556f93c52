"""Full-batch k-means of scikit-learn and FAISS over points that the bench has written to files, from given seeds.

Usage: full_batch.py FOLDER N DIMS K THREADS ITERATIONS_MAX. Prints what there is, then answers one line "task iterations"
at a time with its seconds, its inertia and its iterations. scikit-learn stops by its default tolerance or at
ITERATIONS_MAX; FAISS has no tolerance and takes the iterations of the line.
"""

import os
import sys

folder, (n, dims, k, threads, iterations_max) = sys.argv[1], map(int, sys.argv[2:7])
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = str(threads)

import json
import time
import warnings

import numpy

warnings.filterwarnings("ignore")


def column(name, rows):
    return numpy.memmap(os.path.join(folder, name), dtype=numpy.float32, mode="r", shape=(rows, dims))


points = numpy.array(column("points.f32", n))
seeds = numpy.array(column("seeds.f32", k))
names, tasks = {}, {}


def inertia_of(centroids):
    """In float64, by blocks: the judge of all."""
    centroids = numpy.asarray(centroids, dtype=numpy.float64)
    norms = (centroids**2).sum(axis=1)
    total = 0.0
    for start in range(0, n, 65536):
        block = points[start : start + 65536].astype(numpy.float64)
        nearest = (norms - 2 * block @ centroids.T).min(axis=1)
        total += float((nearest + (block**2).sum(axis=1)).sum())
    return total


try:
    import sklearn
    from sklearn.cluster import KMeans

    def fit(algorithm):
        model = KMeans(n_clusters=k, init=seeds, n_init=1, max_iter=iterations_max, algorithm=algorithm)
        model.fit(points)
        return model.cluster_centers_, model.n_iter_

    for algorithm in ("lloyd", "elkan"):
        names[f"sklearn-{algorithm}"] = f"scikit-learn {sklearn.__version__} {algorithm}"
        tasks[f"sklearn-{algorithm}"] = lambda _, algorithm=algorithm: fit(algorithm)
except ImportError:
    pass

try:
    import faiss

    faiss.omp_set_num_threads(threads)

    def fit_faiss(iterations):
        model = faiss.Kmeans(dims, k, niter=iterations, max_points_per_centroid=n, min_points_per_centroid=1)
        model.train(points, init_centroids=seeds)
        return model.centroids, iterations

    names["faiss"] = f"FAISS {faiss.__version__} Kmeans"
    tasks["faiss"] = fit_faiss
except ImportError:
    pass

print(json.dumps(names), flush=True)

for line in sys.stdin:
    task, iterations = line.split()
    cpu, started = time.process_time(), time.perf_counter()
    centroids, iterations = tasks[task](int(iterations))
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    answer = {"seconds": seconds, "cpuSeconds": cpu_seconds, "iterations": int(iterations)}
    print(json.dumps({**answer, "inertia": inertia_of(centroids)}), flush=True)
