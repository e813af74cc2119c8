"""Record the metrics that stock RecBole 1.2.1 gives on its own ml-100k.

Run it in RecBole's legacy environment, never in ours; it writes ``stock_metrics.json``
beside itself, which the host tests compare with what ``ckd-plugins`` gives on current
libraries. Only ``recbole.quick_start.run_recbole`` is called: no patch, no shim.

    python3.11 -m venv legacy
    legacy/bin/pip install torch==2.13.0 recbole==1.2.1 numpy==1.26.4 pandas==2.3.3 \
        scipy==1.11.4 "setuptools<81"
    legacy/bin/python tests/host/data/record_stock_metrics.py            # rewrite the file
    legacy/bin/python tests/host/data/record_stock_metrics.py --check    # compare, write nothing
"""

from __future__ import annotations

import argparse
import copy
import datetime
import json
import os
import platform
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

# Before torch is imported: one thread, and RecBole's own checkpoints (they hold a pickled
# Config) readable by torch.load of torch >= 2.6.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"
os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"

OUT = Path(__file__).resolve().parent / "stock_metrics.json"
DATASET = "ml-100k"
DECIMALS = 4
LIBRARIES = ("recbole", "torch", "numpy", "pandas", "scipy", "scikit-learn", "ray", "setuptools")

COMMON = {
    "seed": 2020,
    "reproducibility": True,
    "gpu_id": "",  # the only key that keeps RecBole on the CPU
    "show_progress": False,
    "state": "ERROR",
    "user_inter_num_interval": "[20,40]",  # 305 users, 8390 rows
    "epochs": 3,
    "train_batch_size": 512,
    "learning_rate": 0.005,
}
RANKING = {"metrics": ["Recall", "NDCG", "MRR"], "topk": [10], "valid_metric": "NDCG@10"}
SEQUENTIAL = {
    **COMMON,
    **RANKING,
    "MAX_ITEM_LIST_LENGTH": 10,
    "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "full"},
    "train_neg_sample_args": None,
    "loss_type": "CE",
}
# RecBole's defaults: random 8:1:1 split by user, full ranking.
GENERAL = {**COMMON, **RANKING}
# RecBole's defaults for context models on ml-100k: rating >= 4 is the label, no sampling,
# "labeled" evaluation by AUC and LogLoss, user and item features loaded.
CONTEXT = {**COMMON}

# The lower learning rates are those with which one or two threads and SSE, AVX2 or AVX512
# kernels all gave the same 4 decimals (seen on torch 2.13.0, CPU).
CONFIGS: dict[str, dict] = {
    "SASRec": {**SEQUENTIAL, "learning_rate": 0.002},
    "GRU4Rec": {**SEQUENTIAL},
    "BERT4Rec": {**SEQUENTIAL},
    "LightGCN": {**GENERAL},
    "BPR": {**GENERAL},
    "FM": {**CONTEXT},
    "DeepFM": {**CONTEXT, "learning_rate": 0.001},
    "NeuMF": {**GENERAL, "learning_rate": 0.002},
}


def rounded(result: dict) -> dict[str, float]:
    return {key: round(float(value), DECIMALS) for key, value in result.items()}


def record(model: str) -> dict:
    from recbole.quick_start import run_recbole

    config_dict = copy.deepcopy(CONFIGS[model])  # RecBole changes the dict that it is given
    result = run_recbole(model=model, dataset=DATASET, config_dict=config_dict, saved=True)
    return {
        "config_dict": CONFIGS[model],
        "best_valid_score": round(float(result["best_valid_score"]), DECIMALS),
        "valid_score_bigger": bool(result["valid_score_bigger"]),
        "best_valid_result": rounded(result["best_valid_result"]),
        "test_result": rounded(result["test_result"]),
    }


def header() -> dict:
    import torch

    return {
        "how": (
            "tests/host/data/record_stock_metrics.py, run in the legacy environment: "
            "recbole.quick_start.run_recbole(model=..., dataset=..., config_dict=..., saved=True) "
            "of unpatched RecBole, one process for all models, in the order of 'models'"
        ),
        "date": datetime.date.today().isoformat(),
        "dataset": f"{DATASET} (the copy in the recbole wheel)",
        "decimals": DECIMALS,
        "environment": {
            "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"],
            "OMP_NUM_THREADS": os.environ["OMP_NUM_THREADS"],
            "torch_num_threads": torch.get_num_threads(),
        },
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in LIBRARIES},
        "platform": platform.platform(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--models", nargs="+", choices=list(CONFIGS), default=list(CONFIGS))
    parser.add_argument("--check", action="store_true", help="compare with --out, write nothing")
    args = parser.parse_args()
    out = args.out.resolve()
    if version("recbole") != "1.2.1" or int(version("numpy").split(".")[0]) >= 2:
        parser.error("needs the legacy environment (recbole 1.2.1, numpy < 2): see the docstring")
    sys.argv = sys.argv[:1]  # RecBole reads options from it

    import torch

    torch.set_num_threads(1)
    models = {}
    start = Path.cwd()
    with tempfile.TemporaryDirectory() as scratch:  # RecBole writes log*/ and saved/ in the cwd
        os.chdir(scratch)
        try:
            for model in args.models:
                wall, cpu = time.perf_counter(), time.process_time()
                models[model] = record(model)
                wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
                test = models[model]["test_result"]
                print(f"{model:9s} {wall:5.1f} s wall {cpu:5.1f} s CPU  test {test}", flush=True)
        finally:
            os.chdir(start)
    if args.check:
        want = json.loads(out.read_text())["models"]
        bad = [name for name, got in models.items() if json.loads(json.dumps(got)) != want[name]]
        print("differs: " + ", ".join(bad) if bad else f"{len(models)} models as recorded")
        return 1 if bad else 0
    out.write_text(json.dumps({"header": header(), "models": models}, indent=2) + "\n")
    print(f"wrote {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
