#!/bin/sh
# Makes bench/.venv with the Python peers. Needs Python 3.10 or later with venv, and about 600 MB.
set -eu
cd "$(dirname "$0")/.."
python3 -m venv .venv
.venv/bin/pip install --quiet -r peers/requirements.txt
.venv/bin/python -c 'import sklearn, faiss; print("scikit-learn", sklearn.__version__, "and FAISS", faiss.__version__)'
