"""Spark MLlib's KMeans over a Parquet file, in local mode. Usage: spark_kmeans.py FILE K ITERATIONS SEED THREADS MEMORY_GB CENTROIDS_OUT.

Prints one line of JSON: Spark's name, seconds from reading the file to the model, its training cost and iterations; writes the
centroids as float64. The session is up, and a fit of a hundredth of the rows has warmed the JIT up, before the clock starts.
"""

import json
import sys
import time

import numpy
import pyspark
from pyspark.ml.clustering import KMeans
from pyspark.ml.feature import VectorAssembler
from pyspark.sql import SparkSession

path, (k, iterations, seed, threads, memory_gb), out = sys.argv[1], map(int, sys.argv[2:7]), sys.argv[7]
spark = (
    SparkSession.builder.master(f"local[{threads}]")
    .config("spark.driver.memory", f"{memory_gb}g")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.ui.enabled", "false")
    .config("spark.ui.showConsoleProgress", "false")
    # Vector instructions for its linear algebra.
    .config("spark.driver.extraJavaOptions", "--add-modules=jdk.incubator.vector")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("ERROR")


def fit(share, max_iter):
    rows = spark.read.parquet(path)
    if share < 1:
        rows = rows.sample(share, seed)
    features = VectorAssembler(inputCols=rows.columns, outputCol="features").transform(rows).select("features")
    # KMeans caches what it iterates over by itself, with the norms, when its input is not cached.
    return KMeans(k=k, maxIter=max_iter, tol=0.0, seed=seed).fit(features)


fit(0.01, 2)
started = time.perf_counter()
model = fit(1, iterations)
seconds = time.perf_counter() - started
numpy.array(model.clusterCenters(), dtype=numpy.float64).tofile(out)
summary = model.summary
answer = {"name": f"Spark {pyspark.__version__} MLlib", "seconds": seconds, "cost": summary.trainingCost, "iterations": summary.numIter}
print(json.dumps(answer))
spark.stop()
