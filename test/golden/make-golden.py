"""Makes scikit-learn.json: what scikit-learn and SciPy give, for our own numbers to be held against.

    python test/golden/make-golden.py [section ...]     (needs scikit-learn; reads examples/data/*.csv.gz)

Sections (all, when none is named; the others are kept as they are):

data, sameRuns: inertia of full-batch fits; sameRuns with few runs and many seeds, for a comparison of equals.

Features without the label column are standardised with StandardScaler (zero-variance columns become 0), then fitted
with KMeans at its defaults but for n_init. Inertia is on the standardised data. The best, the worst and every
random_state are recorded, so that a reader sees how much of a difference luck makes.

metrics: calinski_harabasz_score, davies_bouldin_score and silhouette_score (squared Euclidean) of raw rows, labelled by the
nearest of the first k of them.
gaussMixture: the generator of the k-means|| paper with parameters of our own: 50 centres N(0, R) in 15 dimensions, unit
variance, 10,000 points; inertia of KMeans from k-means++ and from random seeds, one run per random_state. Its generator of
random numbers is support/random.ts, written again here, so that both sides see the same points.
assignments: scipy.optimize.linear_sum_assignment on tables of common points of old and new clusters.
"""

import gzip
import json
import math
import pathlib
import sys

import numpy
import sklearn
from scipy.optimize import linear_sum_assignment
from sklearn import metrics
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


def inertias_of_data() -> dict:
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
    return data


SAME_RUNS = {"randomStates": 10, "nInit": 3, "ks": [5, 8, 10, 16, 20]}


def inertias_of_same_runs() -> dict:
    """Of each random_state, n_init runs from k-means++ seeds."""
    fits = {}
    for case in CASES:
        points = StandardScaler().fit_transform(load(case["data"], case["header"]))
        fits[case["data"]] = [
            {
                "k": k,
                "inertias": [
                    float(KMeans(k, n_init=SAME_RUNS["nInit"], random_state=state).fit(points).inertia_)
                    for state in range(SAME_RUNS["randomStates"])
                ],
            }
            for k in SAME_RUNS["ks"]
        ]
    return {**SAME_RUNS, "data": fits}


METRIC_CASES = [("digits", False, 1797, 3), ("digits", False, 1797, 10), ("shuttle", True, 3000, 2), ("shuttle", True, 3000, 7)]


def metrics_of_data() -> list:
    cases = []
    for name, header, rows, k in METRIC_CASES:
        points = load(name, header)[:rows]
        labels = ((points[:, None, :] - points[None, :k, :]) ** 2).sum(axis=2).argmin(axis=1)
        samples = metrics.silhouette_samples(points, labels, metric="sqeuclidean")
        cases.append(
            {
                "data": name,
                "rows": rows,
                "k": k,
                "calinskiHarabasz": float(metrics.calinski_harabasz_score(points, labels)),
                "daviesBouldin": float(metrics.davies_bouldin_score(points, labels)),
                "silhouette": float(metrics.silhouette_score(points, labels, metric="sqeuclidean")),
                "perCluster": [float(samples[labels == j].mean()) for j in range(k)],
            }
        )
    return cases


class Random:
    """xoshiro128** 1.1 seeded by splitmix32; float and normal as in support/random.ts."""

    MASK = 0xFFFFFFFF

    def __init__(self, seed: int) -> None:
        state = seed & self.MASK
        self.state = []
        for _ in range(4):
            state = (state + 0x9E3779B9) & self.MASK
            z = state
            z = ((z ^ (z >> 16)) * 0x21F0AAAD) & self.MASK
            z = ((z ^ (z >> 15)) * 0x735A2D97) & self.MASK
            self.state.append(z ^ (z >> 15))

    def rotate(self, x: int, bits: int) -> int:
        return ((x << bits) | (x >> (32 - bits))) & self.MASK

    def uint32(self) -> int:
        a, b, c, d = self.state
        result = (self.rotate((b * 5) & self.MASK, 7) * 9) & self.MASK
        t = (b << 9) & self.MASK
        c ^= a
        d ^= b
        b ^= c
        a ^= d
        c ^= t
        self.state = [a, b, c, self.rotate(d, 11)]
        return result

    def float(self) -> float:
        high = self.uint32() >> 5
        return (high * 67108864 + (self.uint32() >> 6)) / 9007199254740992

    def normal(self) -> float:
        while True:
            u = 2 * self.float() - 1
            v = 2 * self.float() - 1
            s = u * u + v * v
            if 0 < s < 1:
                return u * math.sqrt((-2 * math.log(s)) / s)


MIXTURE = {"k": 50, "dims": 15, "rows": 10_000, "seed": 2012, "spreads": [1, 10, 100]}


def gauss_mixture(spread: float) -> numpy.ndarray:
    random = Random(MIXTURE["seed"])
    k, dims, rows = MIXTURE["k"], MIXTURE["dims"], MIXTURE["rows"]
    centres = [[math.sqrt(spread) * random.normal() for _ in range(dims)] for _ in range(k)]
    points = [[centre + random.normal() for centre in centres[row % k]] for row in range(rows)]
    return numpy.array(points, dtype=numpy.float32).astype(numpy.float64)


def inertias_of_mixtures() -> dict:
    fits = []
    for spread in MIXTURE["spreads"]:
        points = gauss_mixture(spread)
        fits.append(
            {
                "spread": spread,
                "totalSumOfSquares": float(((points - points.mean(axis=0)) ** 2).sum()),
                **{
                    name: [
                        float(KMeans(MIXTURE["k"], init=init, n_init=1, random_state=state).fit(points).inertia_)
                        for state in range(10)
                    ]
                    for name, init in (("kMeansPlusPlus", "k-means++"), ("random", "random"))
                },
            }
        )
    return {**MIXTURE, "fits": fits}


def assignments() -> list:
    generator = numpy.random.default_rng(7)
    cases = []
    for old, new in [(2, 2), (3, 5), (6, 4), (8, 8), (12, 12), (20, 17)]:
        counts = generator.integers(0, 40, (old, new)) * (generator.random((old, new)) < 0.5)
        for i in range(min(old, new)):
            counts[i, (i * 7) % new] += int(generator.integers(50, 300))
        sums = counts.sum(axis=1)[:, None] + counts.sum(axis=0)[None, :]
        jaccard = counts / (sums - counts)
        rows, columns = linear_sum_assignment(1 - jaccard)
        cases.append(
            {
                "counts": counts.tolist(),
                "pairs": [[int(i), int(j)] for i, j in zip(rows, columns)],
                "jaccard": float(jaccard[rows, columns].sum()),
            }
        )
    return cases


SECTIONS = {
    "data": inertias_of_data,
    "sameRuns": inertias_of_same_runs,
    "metrics": metrics_of_data,
    "gaussMixture": inertias_of_mixtures,
    "assignments": assignments,
}


def main() -> None:
    target = HERE / "scikit-learn.json"
    golden = json.loads(target.read_text()) if target.exists() else {}
    golden |= {
        "madeBy": "test/golden/make-golden.py",
        "scikitLearn": golden.get("scikitLearn", {}),
        "numpy": numpy.__version__,
        "scaling": "StandardScaler on all rows, label column left out",
        "randomStates": RANDOM_STATES,
    }
    for section in sys.argv[1:] or SECTIONS:
        golden[section] = SECTIONS[section]()
        golden["scikitLearn"][section] = sklearn.__version__
    target.write_text(json.dumps(golden, indent=2) + "\n")


if __name__ == "__main__":
    main()
