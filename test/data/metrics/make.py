"""Metrics of scikit-learn and scipy in float64, for test/train/metrics.test.ts. Writes metrics.json.

Run: python make.py (with numpy, scikit-learn and scipy)
"""
import json
import numpy as np
from scipy import stats
from sklearn import metrics

rng = np.random.default_rng(11)
IGNORED = -100


def classes(name, logits, labels):
    logits = np.asarray(logits, dtype=np.float32)
    labels = np.asarray(labels)
    kept = labels != IGNORED
    truth, found = labels[kept], logits[kept].argmax(1)
    count = logits.shape[1]
    every = list(range(count))
    p, r, f, n = metrics.precision_recall_fscore_support(truth, found, labels=every, zero_division=0)
    return {
        "name": name, "logits": logits.reshape(-1).tolist(), "labels": labels.tolist(),
        "accuracy": metrics.accuracy_score(truth, found),
        "f1": metrics.f1_score(truth, found, zero_division=0) if count == 2 else None,
        "f1_macro": metrics.f1_score(truth, found, average="macro", zero_division=0),
        "mcc": metrics.matthews_corrcoef(truth, found),
        "perClass": [{"class": k, "precision": p[k], "recall": r[k], "f1": f[k], "count": int(n[k])} for k in every],
    }


def noisy(count, width, share):
    """Logits of which a share points to the label."""
    labels = rng.integers(0, width, count)
    logits = rng.normal(size=(count, width))
    right = rng.random(count) < share
    logits[np.arange(count)[right], labels[right]] += 3
    return logits, labels


def values(name, predicted, labels):
    predicted = np.asarray(predicted, dtype=np.float32)
    labels = np.asarray(labels, dtype=np.float32)
    a, b = predicted.astype(np.float64), labels.astype(np.float64)
    return {
        "name": name, "predicted": predicted.tolist(), "labels": labels.tolist(),
        "pearson": stats.pearsonr(a, b)[0], "spearman": stats.spearmanr(a, b)[0],
    }


def some_ignored(labels):
    labels = labels.copy()
    labels[::7] = IGNORED
    return labels


two, two_labels = noisy(61, 2, 0.7)
three, three_labels = noisy(83, 3, 0.5)
nine, nine_labels = noisy(140, 9, 0.4)
nine_labels[nine_labels == 4] = 5  # a class that is no label
ties = np.array([[1.0, 1.0], [0.5, 0.5], [2.0, 0.0], [0.0, 2.0], [-1.0, -1.0]])
half = rng.integers(0, 11, 57) / 2.0
near = 1e4 + rng.normal(size=90) * 1e-2
rows = {
    "classes": [
        classes("two classes", two, two_labels),
        classes("two classes, some labels ignored", two, some_ignored(two_labels)),
        classes("three classes", three, some_ignored(three_labels)),
        classes("nine classes, one without labels", nine, nine_labels),
        classes("all labels of one class", two, np.zeros(61, dtype=int)),
        classes("one class predicted", np.tile([3.0, 1.0, 2.0], (5, 1)), [0, 1, 1, 2, 0]),
        classes("all wrong", [[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], [1, 0, 0]),
        classes("equal logits", ties, [0, 1, 0, 1, 0]),
        classes("one row", [[0.25, 0.5]], [1]),
    ],
    "values": [
        values("noise", rng.normal(size=75), rng.normal(size=75)),
        values("grades with ties", half + rng.normal(size=57), half),
        values("both with ties", np.round(half / 2 + rng.normal(size=57)), half),
        values("far from 0", near, near + rng.normal(size=90) * 1e-2),
        values("falling", np.arange(9.0), -np.arange(9.0) ** 3),
        values("two rows", [0.5, -1.5], [2.0, 3.0]),
    ],
}
with open("metrics.json", "w") as file:
    json.dump(rows, file)
    file.write("\n")
