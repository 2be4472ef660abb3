#!/usr/bin/env python3
"""Train a risk model on a recorded drop. Read it from top to bottom: each part says what it does.

usage: train_risk.py RECORDING.risk [LABELS.csv] MODEL.txt

LABELS.csv has lines `account,label`: the account's digest as the recording has it (16 hexadecimal
digits) and 1 for a program, 0 for a person. Without labels, accounts that never paid a hold or were
refused count as programs: a beginning, not the truth.

Needs lightgbm and numpy: pip install lightgbm numpy
"""
import csv
import sys

import lightgbm
import numpy as np

HEADER = b"onrush-risk 1 signals 1\n"
ROW = np.dtype([
    ("kind", "u1"), ("stage", "u1"), ("action", "u1"), ("level", "u1"), ("units", "<u4"),
    ("at", "<u8"), ("account", "<u8"), ("score", "<f4"), ("shadow", "<f4"), ("signals", "<f4", 48),
])
NAMES = """header_order_odd headers_missing http_version agent_mismatch agent_tool ja4_known
ja4_mismatch ja4_count_1m opening_offset phase_lock token_age probes_before regularity beacons
since_last address_count_1s address_count_1m address_count_1h address_accounts address_age
device_count_1s device_count_1m device_count_1h device_accounts device_age device_absent
account_count_1s account_count_1m account_count_1h account_seen destination_accounts
destination_count_1h payment_accounts payment_count_1h phone_accounts phone_count_1h cluster_size
cluster_growth cluster_wins sync_peers account_age earlier_wins unpaid_holds unpaid_share
challenge_time challenge_level replay honeypot""".split()

# --- 1. Read the recording: whole rows only.
recording, labels, model = sys.argv[1], sys.argv[2:-1], sys.argv[-1]
data = open(recording, "rb").read()
if not data.startswith(HEADER):
    sys.exit(f"{recording}: not a recording of this version")
data = data[len(HEADER):]
rows = np.frombuffer(data[: len(data) // ROW.itemsize * ROW.itemsize], ROW)
decided = rows[rows["kind"] == 1]
ended = rows[rows["kind"] == 2]
print(f"{len(decided)} requests of {len(np.unique(decided['account']))} accounts")

# --- 2. Who was a program? Your labels, or a poor guess.
if labels:
    with open(labels[0]) as file:
        known = {int(account, 16): int(label) for account, label in csv.reader(file)}
else:
    unpaid = set(ended["account"][ended["stage"] == 3]) - set(ended["account"][ended["stage"] == 1])
    refused = set(decided["account"][decided["action"] == 4])
    known = {account: int(account in unpaid | refused) for account in decided["account"]}
has_label = np.array([account in known for account in decided["account"]])
decided = decided[has_label]
answers = np.array([known[account] for account in decided["account"]])
if len(np.unique(answers)) < 2:
    sys.exit("all labels are the same: there is nothing to learn")

# --- 3. Hold out whole accounts, so that nobody is on both sides.
held_out = (decided["account"] >> 7) % 5 == 0
train, test = decided[~held_out], decided[held_out]

# --- 4. Address signals are left out on purpose: an address alone never costs anybody anything.
signals = decided["signals"].astype(np.float64)
for at, name in enumerate(NAMES):
    if name.startswith("address_"):
        signals[:, at] = 0

# --- 5. Train a small forest: 100 trees are walked in well under a microsecond.
booster = lightgbm.train(
    {"objective": "binary", "num_leaves": 31, "max_depth": 6, "min_data_in_leaf": 50, "verbose": -1, "seed": 1},
    lightgbm.Dataset(signals[~held_out], answers[~held_out], feature_name=NAMES),
    num_boost_round=100,
)
booster.save_model(model)

# --- 6. What it does to people it has not seen, and why.
told = booster.predict(signals[held_out])
truth = answers[held_out]
for share in (0.001, 0.01, 0.05):
    flagged = told >= np.quantile(told, 1 - share)
    people = flagged[truth == 0].mean() if (truth == 0).any() else 0
    programs = flagged[truth == 1].mean() if (truth == 1).any() else 0
    print(f"worst {share:.1%}: {programs:.1%} of programs, {people:.2%} of people")
gains = sorted(zip(booster.feature_importance("gain"), NAMES), reverse=True)[:8]
print("weighs most:", ", ".join(name for _, name in gains))
print(f"next: onrush simulate risk --model {model} FOLDER")
