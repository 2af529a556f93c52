"""Points about K centres as a Parquet file, one FLOAT column per feature, snappy. Usage: spark_points.py FILE N DIMS K SEED GROUP_ROWS."""

import sys

import numpy
import pyarrow
import pyarrow.parquet

path, (n, dims, k, seed, group_rows) = sys.argv[1], map(int, sys.argv[2:7])
random = numpy.random.default_rng(seed)
centres = random.uniform(-1, 1, (k, dims)).astype(numpy.float32)
names = [f"f{d}" for d in range(dims)]
schema = pyarrow.schema([(name, pyarrow.float32()) for name in names])
# No dictionaries: hardly a value comes twice.
with pyarrow.parquet.ParquetWriter(path, schema, compression="snappy", use_dictionary=False) as writer:
    for start in range(0, n, group_rows):
        rows = min(group_rows, n - start)
        noise = 0.5 * random.standard_normal((rows, dims), dtype=numpy.float32)
        values = centres[random.integers(0, k, rows)] + noise
        columns = [numpy.ascontiguousarray(values[:, d]) for d in range(dims)]
        writer.write_table(pyarrow.table(columns, schema=schema), row_group_size=group_rows)
