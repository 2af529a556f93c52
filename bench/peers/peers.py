"""scikit-learn and FAISS on one thread, over points that the bench has written to files.

Usage: peers.py FOLDER N DIMS K. Prints what there is, then answers one task a line with its seconds.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import json
import sys
import time

import numpy

BATCH_ROWS = 4096

folder, n, dims, k = sys.argv[1], *map(int, sys.argv[2:5])


def column(name, kind, *shape):
    return numpy.fromfile(os.path.join(folder, name), dtype=kind).reshape(*shape)


points = column("points.f32", numpy.float32, n, dims)
centres = column("centres.f32", numpy.float32, k, dims)
labels = column("labels.i32", numpy.int32, n)
names, tasks = {}, {}

try:
    import sklearn
    from sklearn.cluster import KMeans, MiniBatchKMeans

    fixed = KMeans(n_clusters=k, init=centres, n_init=1, max_iter=1)
    fixed.fit(centres)
    fixed.cluster_centers_ = centres

    def fresh_mini_batch():
        return MiniBatchKMeans(n_clusters=k, init=centres, n_init=1, batch_size=BATCH_ROWS)

    def partial_fit(model):
        for start in range(0, n, BATCH_ROWS):
            model.partial_fit(points[start : start + BATCH_ROWS])

    tasks["sklearn-predict"] = (lambda: None, lambda _: fixed.predict(points))
    tasks["sklearn-partial-fit"] = (fresh_mini_batch, partial_fit)
    version = f"scikit-learn {sklearn.__version__}"
    names["sklearn-predict"] = f"{version} KMeans.predict"
    names["sklearn-partial-fit"] = f"{version} MiniBatchKMeans.partial_fit"
except ImportError:
    pass

try:
    import faiss

    faiss.omp_set_num_threads(1)
    index = faiss.IndexFlatL2(dims)
    index.add(centres)
    tasks["faiss-search"] = (lambda: None, lambda _: index.search(points, 1)[1][:, 0])
    names["faiss-search"] = f"FAISS {faiss.__version__} IndexFlatL2"
except ImportError:
    pass

print(json.dumps(names), flush=True)

for line in sys.stdin:
    prepare, work = tasks[line.strip()]
    state = prepare()
    cpu, started = time.process_time(), time.perf_counter()
    answer = work(state)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    disagreeing = 0 if answer is None else int((answer != labels).sum())
    sample = {"seconds": seconds, "cpuSeconds": cpu_seconds, "disagreeing": disagreeing}
    print(json.dumps(sample), flush=True)
