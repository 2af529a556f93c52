#!/bin/sh
# Makes bench/.venv with the Python peers, or adds Spark to it: install.sh [spark]. Needs Python 3.10 or later with venv, and
# about 600 MB; Spark needs Java 17 and another 700 MB.
set -eu
cd "$(dirname "$0")/.."
python3 -m venv .venv
case "${1-}" in
  '')
    .venv/bin/pip install --quiet -r peers/requirements.txt
    .venv/bin/python -c 'import sklearn, faiss; print("scikit-learn", sklearn.__version__, "and FAISS", faiss.__version__)'
    ;;
  spark)
    .venv/bin/pip install --quiet -r peers/requirements-spark.txt
    .venv/bin/python -c 'import pyspark, pyarrow; print("Spark", pyspark.__version__, "and pyarrow", pyarrow.__version__)'
    ;;
  *)
    echo "usage: install.sh [spark]" >&2
    exit 2
    ;;
esac
