#!/usr/bin/env python3
"""Train a risk model on a recorded drop. Read it from top to bottom: each part says what it does.

usage: train_risk.py RECORDING.risk [LABELS.csv] MODEL.txt [--on OTHER.risk LABELS.csv]

LABELS.csv has lines `account,label`: the account's digest as the recording has it (16 hexadecimal
digits) and 1 for a program, 0 for a person. Without labels, accounts that never paid a hold or were
refused count as programs: a beginning, not the truth. `--on` looks at another drop with the model, too:
how it does on programs that it was not trained on is what counts.

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



def read(recording):
    """Whole rows only."""
    data = open(recording, "rb").read()
    if not data.startswith(HEADER):
        sys.exit(f"{recording}: not a recording of this version")
    data = data[len(HEADER):]
    return np.frombuffer(data[: len(data) // ROW.itemsize * ROW.itemsize], ROW)


def labelled(rows, file):
    """Requests whose account is labelled, and the labels."""
    with open(file) as lines:
        known = {int(account, 16): int(label) for account, label in csv.reader(lines)}
    rows = rows[np.array([account in known for account in rows["account"]])]
    return rows, np.array([known[account] for account in rows["account"]])


def report(what, told, truth):
    """What flagging a share of all, or of people, would do."""
    people, programs = told[truth == 0], told[truth == 1]
    if len(people) == 0 or len(programs) == 0:
        sys.exit(f"{what}: people and programs are both needed")
    for share in (0.001, 0.01, 0.05):
        least = np.quantile(told, 1 - share)
        print(f"{what}, worst {share:.1%}: {(programs >= least).mean():.1%} of programs, "
              f"{(people >= least).mean():.2%} of people")
    for share in (0.001, 0.01):
        above = programs > np.quantile(people, 1 - share)
        print(f"{what}, at most {share:.1%} of people: {above.mean():.1%} of programs")


# --- 1. Read the recording.
arguments, other = sys.argv[1:], None
if "--on" in arguments:
    at = arguments.index("--on")
    arguments, other = arguments[:at], arguments[at + 1 :]
recording, labels, model = arguments[0], arguments[1:-1], arguments[-1]
rows = read(recording)
decided, ended = rows[rows["kind"] == 1], rows[rows["kind"] == 2]
print(f"{len(decided)} requests of {len(np.unique(decided['account']))} accounts")

# --- 2. Who was a program? Your labels, or a poor guess.
if labels:
    decided, answers = labelled(decided, labels[0])
else:
    unpaid = set(ended["account"][ended["stage"] == 3]) - set(ended["account"][ended["stage"] == 1])
    refused = set(decided["account"][decided["action"] == 4])
    answers = np.array([int(account in unpaid | refused) for account in decided["account"]])
if len(np.unique(answers)) < 2:
    sys.exit("all labels are the same: there is nothing to learn")

# --- 3. Hold out whole accounts, so that nobody is on both sides.
held_out = (decided["account"] >> 7) % 5 == 0

# --- 4. Address signals are left out on purpose: an address alone never costs anybody anything.
def numbers(rows):
    signals = rows["signals"].astype(np.float64)
    for at, name in enumerate(NAMES):
        if name.startswith("address_"):
            signals[:, at] = 0
    return signals


signals = numbers(decided)

# --- 5. Train a small forest: 100 trees are walked in well under a microsecond.
booster = lightgbm.train(
    {"objective": "binary", "num_leaves": 31, "max_depth": 6, "min_data_in_leaf": 50, "verbose": -1, "seed": 1},
    lightgbm.Dataset(signals[~held_out], answers[~held_out], feature_name=NAMES),
    num_boost_round=100,
)
booster.save_model(model)

# --- 6. What it does to people it has not seen, and why.
report("held out", booster.predict(signals[held_out]), answers[held_out])
if other:
    rows = read(other[0])
    rows, truth = labelled(rows[rows["kind"] == 1], other[1])
    report("the other drop", booster.predict(numbers(rows)), truth)
gains = sorted(zip(booster.feature_importance("gain"), NAMES), reverse=True)[:8]
print("weighs most:", ", ".join(name for _, name in gains))
print(f"next: onrush simulate risk --model {model} FOLDER")
