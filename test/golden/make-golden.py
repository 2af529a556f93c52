"""Makes scikit-learn.json: inertia of full-batch fits that the online model is held against.

    python test/golden/make-golden.py          (needs scikit-learn; reads examples/data/*.csv.gz)

Features without the label column are standardised with StandardScaler (zero-variance columns become 0), then fitted
with KMeans at its defaults but for n_init. Inertia is on the standardised data. The best, the worst and every
random_state are recorded, so that a reader sees how much of a difference luck makes.
"""

import gzip
import json
import pathlib

import numpy
import sklearn
from sklearn.cluster import KMeans
from sklearn.preprocessing import StandardScaler

HERE = pathlib.Path(__file__).resolve().parent
DATA = HERE.parent.parent / "examples" / "data"
RANDOM_STATES = [0, 1, 2]
CASES = [
    {"data": "shuttle", "header": True, "ks": [5, 7, 8, 10, 16], "n_init": 10},
    {"data": "digits", "header": False, "ks": [7, 8, 10, 16], "n_init": 20},
]


def load(name: str, header: bool) -> numpy.ndarray:
    with gzip.open(DATA / f"{name}.csv.gz", "rt") as lines:
        return numpy.loadtxt(lines, delimiter=",", skiprows=1 if header else 0)[:, :-1]


def fit(points: numpy.ndarray, k: int, n_init: int) -> dict:
    inertias = [
        float(KMeans(n_clusters=k, n_init=n_init, random_state=state).fit(points).inertia_)
        for state in RANDOM_STATES
    ]
    return {"k": k, "inertia": min(inertias), "inertias": inertias}


def main() -> None:
    data = {}
    for case in CASES:
        points = StandardScaler().fit_transform(load(case["data"], case["header"]))
        data[case["data"]] = {
            "rows": points.shape[0],
            "dims": points.shape[1],
            "totalSumOfSquares": float((points**2).sum()),
            "nInit": case["n_init"],
            "fits": [fit(points, k, case["n_init"]) for k in case["ks"]],
        }
    golden = {
        "madeBy": "test/golden/make-golden.py",
        "scikitLearn": sklearn.__version__,
        "numpy": numpy.__version__,
        "scaling": "StandardScaler on all rows, label column left out",
        "randomStates": RANDOM_STATES,
        "data": data,
    }
    (HERE / "scikit-learn.json").write_text(json.dumps(golden, indent=2) + "\n")


if __name__ == "__main__":
    main()
