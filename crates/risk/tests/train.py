"""Train one model of each kind on made-up signals, and write what its own library says.

usage: train.py FOLDER ROWS

Writes rows.f32 (ROWS x 48 little-endian floats) and, for each model NAME.{txt,json,onnx}, NAME.expected
(ROWS little-endian doubles). Everything is seeded: the same versions give the same files.
"""
import pathlib
import sys

import lightgbm
import numpy as np
import onnxruntime
import xgboost
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier

SIGNALS = 48
folder, count = pathlib.Path(sys.argv[1]), int(sys.argv[2])
random = np.random.default_rng(7)


def rows_of(n):
    rows = random.gamma(0.6, 8.0, (n, SIGNALS)).astype(np.float32)
    rows[:, ::5] = (rows[:, ::5] > 4).astype(np.float32)
    rows[random.random((n, SIGNALS)) < 0.3] = 0
    return rows


def answers_of(rows):
    logit = 0.4 * rows[:, 4] - 0.2 * rows[:, 13] + 0.1 * rows[:, 23] + 2 * rows[:, 5] - 2
    return (random.random(len(rows)) < 1 / (1 + np.exp(-logit))).astype(np.int64)


train = rows_of(20_000)
answers = answers_of(train)
rows = rows_of(count)
folder.mkdir(parents=True, exist_ok=True)
rows.astype("<f4").tofile(folder / "rows.f32")


def say(name, expected):
    np.asarray(expected, dtype="<f8").tofile(folder / f"{name}.expected")


booster = lightgbm.train(
    {"objective": "binary", "num_leaves": 40, "seed": 1, "verbose": -1, "num_threads": 2},
    lightgbm.Dataset(train.astype(np.float64), answers),
    num_boost_round=100,
)
booster.save_model(folder / "lightgbm.txt")
say("lightgbm", booster.predict(rows.astype(np.float64)))

booster = lightgbm.train(
    {"objective": "binary", "zero_as_missing": True, "num_leaves": 15, "seed": 2, "verbose": -1},
    lightgbm.Dataset(train.astype(np.float64), answers),
    num_boost_round=30,
)
booster.save_model(folder / "lightgbm_zero.txt")
say("lightgbm_zero", booster.predict(rows.astype(np.float64)))

booster = xgboost.train(
    {"objective": "binary:logistic", "max_depth": 6, "eta": 0.1, "seed": 1, "nthread": 2},
    xgboost.DMatrix(train, answers),
    num_boost_round=100,
)
booster.save_model(folder / "xgboost.json")
say("xgboost", booster.predict(xgboost.DMatrix(rows)))


def onnx(name, model):
    model.fit(train, answers)
    kind = [("input", FloatTensorType([None, SIGNALS]))]
    converted = convert_sklearn(model, initial_types=kind, options={id(model): {"zipmap": False}})
    (folder / f"{name}.onnx").write_bytes(converted.SerializeToString())
    session = onnxruntime.InferenceSession(
        folder / f"{name}.onnx", providers=["CPUExecutionProvider"]
    )
    say(name, session.run(None, {"input": rows})[1][:, 1])


onnx("forest", RandomForestClassifier(n_estimators=100, max_depth=6, random_state=1, n_jobs=2))
onnx("boosted", GradientBoostingClassifier(n_estimators=40, max_depth=4, random_state=1))
