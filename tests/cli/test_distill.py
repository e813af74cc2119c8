"""``ckd distill`` as somebody types it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from ckd_plugins.cli.distill import distill, read_settings
from ckd_plugins.errors import ConfigError

from .conftest import PLAIN, Done, fast

Ckd = Callable[..., Done]


def table(out: str) -> list[list[str]]:
    """Rows of a printed table, cells parted by two spaces or more."""
    return [re.split(r" {2,}", line.strip()) for line in out.splitlines() if not line.startswith("Run folder")]


def test_a_distilled_run_is_a_row_below_its_teacher(ckd: Ckd, tiny: Path) -> None:
    """The test metrics are what the command was typed for."""
    done = ckd("distill", "SASRec", "--dataset", tiny, *fast("metrics=[Recall, NDCG]", "valid_metric=NDCG@10"))
    assert done.status == 0, done.err
    heads, teacher, student = table(done.out)
    assert heads == ["model", "recall@10", "ndcg@10", "train", "parameters"]
    assert teacher[:2] == ["teacher", "unisrec"]
    assert student[:2] == ["distilled", "SASRec"]
    folder = Path(done.out.splitlines()[-1].removeprefix("Run folder: "))
    result = json.loads(((Path.cwd() / folder) / "result.json").read_text())
    assert student[2:4] == [f"{result['test_result'][m]:.4f}" for m in ("recall@10", "ndcg@10")]
    assert "fine-tune unisrec: " in done.err
    assert "train SASRec, distilled: " in done.err


def test_json_is_the_result_and_nothing_else(ckd: Ckd, tiny: Path, tmp_plugin: Callable[..., Any]) -> None:
    """A script reads standard output; one line in it, of progress or of docs/hooks.md's examples, breaks a pipeline."""

    def ckd_before_fit(run: Any) -> None:
        print(run.directory)

    def ckd_after_epoch(run: Any, epoch: int, terms: dict[str, float]) -> None:
        print(epoch, terms["loss"])

    def ckd_after_fit(run: Any, result: dict[str, Any]) -> None:
        print(result["test_result"])

    tmp_plugin(ckd_before_fit, ckd_after_epoch, ckd_after_fit)
    done = ckd("distill", "BPR", "-d", tiny, *fast(), "--json")
    result = json.loads(done.out)
    assert set(result) == {"best_valid_score", "valid_score_bigger", "best_valid_result", "test_result", "ckd"}
    saved = json.loads((Path(result["ckd"]["run_dir"]) / "result.json").read_text())
    assert saved == result
    assert str(result["test_result"]) in done.err


def test_plain_gives_two_rows_and_a_gain(ckd: Ckd, tiny: Path) -> None:
    """Without the model's own plain run a metric says nothing about distillation."""
    done = ckd("distill", "BPR", "-d", tiny, "--plain", *fast("metrics=[NDCG]", "valid_metric=NDCG@10", "topk=[10]"))
    assert done.status == 0, done.err
    _, teacher, plain, taught = table(done.out)
    assert [row[:2] for row in (teacher, plain, taught)] == [
        ["teacher", "unisrec"],
        ["plain", "BPR"],
        ["distilled", "BPR"],
    ]
    before, after = float(plain[2]), float(taught[2])
    assert taught[3] == f"{100 * (after / before - 1):+.1f}%"
    assert re.fullmatch(r"\d+\.\d s", plain[3]), "a plain run has no gain"
    assert len(list(Path("ckd_runs").iterdir())) == 2


def test_plain_as_json_is_a_list(ckd: Ckd, tiny: Path) -> None:
    """Plain first, as in the table; a script tells them by their teachers."""
    results = json.loads(ckd("distill", "BPR", "-d", tiny, "--plain", "--json", "-q", *fast()).out)
    assert [list(result["ckd"]["teachers"]) for result in results] == [[], ["unisrec"]]


def test_a_second_run_says_what_it_reuses(ckd: Ckd, tiny: Path) -> None:
    """Somebody who sees no training wants to know why, and where the teacher is."""
    first, second = (ckd("distill", "BPR", "-d", tiny, *fast()) for _ in range(2))
    assert "reused" not in first.err + first.out
    assert re.search(r"^unisrec: reused from \S*cache/teachers/unisrec-tiny-\w+ \(", second.err, re.MULTILINE)
    assert "reused" in table(second.out)[1]


def test_set_reads_values_as_yaml_does(ckd: Ckd, tiny: Path) -> None:
    """RecBole evaluates what comes from the command line as Python, and takes 1e-2 there for a string elsewhere."""
    values = ["learning_rate=1e-2", "topk=[5, 10]", "ckd.weight=2", "ckd.curriculum.epochs=3"]
    done = ckd("distill", "BPR", "-d", tiny, *fast(*values, "note='__import__(\"os\")'"), "--json", "-q")
    about = json.loads(done.out)["ckd"]
    used = yaml.safe_load((Path(about["run_dir"]) / "recbole.yaml").read_text())
    assert (used["learning_rate"], used["topk"], used["note"]) == (0.01, [5, 10], '__import__("os")')
    assert (about["config"]["weight"], about["config"]["curriculum"]["epochs"]) == (2, 3)
    assert set(json.loads(done.out)["test_result"]) >= {"recall@5", "recall@10"}


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        ("a=1", {"a": 1}),
        ("a=1e-3", {"a": 0.001}),
        ("a=", {"a": None}),
        ("a=null", {"a": None}),
        ("a=b=c", {"a": "b=c"}),
        (" a = [x, 2] ", {"a": ["x", 2]}),
        ("ckd.weight=true", {"ckd.weight": True}),
        ("a='1'", {"a": "1"}),
    ],
)
def test_pairs(pair: str, expected: dict[str, Any]) -> None:
    """A value that comes out as another type is another setting."""
    assert read_settings((pair,)) == expected


@pytest.mark.parametrize("pair", ["epochs", "=3", "a=[1", "a={b: 1"])
def test_a_pair_that_is_none_is_named(pair: str) -> None:
    """The parser's message alone does not say which of ten options was wrong."""
    with pytest.raises(ConfigError, match=f"--set '{re.escape(pair)}': ") as caught:
        read_settings((pair,))
    assert "\n" not in str(caught.value)


def test_a_set_stands_above_a_config_file(ckd: Ckd, tiny: Path, tmp_path: Path) -> None:
    """The other way round nothing could be tried out without editing the file."""
    config = tmp_path / "study.yaml"
    config.write_text("epochs: 9\nembedding_size: 12\nckd:\n  weight: 3\n  teachers: [unisrec]\n")
    done = ckd("distill", "BPR", "-d", tiny, "--config", config, *fast(), "--set", "embedding_size=4", "--json", "-q")
    about = json.loads(done.out)["ckd"]
    assert about["epochs"] == 1
    assert about["parameters"] == 4 * (61 + 41)
    assert about["config"]["weight"] == 3


def test_pretraining_by_commas(ckd: Ckd, tiny: Path, tmp_path: Path) -> None:
    """Teachers are pre-trained before they are fine-tuned; the command line can say on what."""
    for name in ("one", "two"):
        (tmp_path / "data" / name).mkdir()
        for suffix in ("inter", "item"):
            text = (tiny / f"tiny.{suffix}").read_text().replace("\nu", f"\n{name}-u")  # other people
            (tmp_path / "data" / name / f"{name}.{suffix}").write_text(text)
    others = ",".join(str(tmp_path / "data" / name) for name in ("one", "two"))
    teacher = "ckd.teachers=[{name: unisrec, pretrain_epochs: 1, finetune_epochs: 1, hidden_size: 16, max_length: 10}]"
    done = ckd("distill", "BPR", "-d", tiny, "-p", others, *fast(teacher), "--json", "-q")
    about = json.loads(done.out)["ckd"]
    assert len(about["config"]["pretrain_domains"]) == 2
    assert set(about["teachers"]["unisrec"]["seconds"]) == {"pretrain", "finetune", "cache"}


def test_quiet_is_quiet(ckd: Ckd, tiny: Path) -> None:
    """Cron sends mail for every line on standard error."""
    assert ckd("distill", "BPR", "-d", tiny, "-q", *PLAIN).err == ""


def test_a_report_is_written(ckd: Ckd, tiny: Path, tmp_path: Path) -> None:
    """For whoever was not at the terminal."""
    page = tmp_path / "out" / "page.html"
    done = ckd("distill", "BPR", "-d", tiny, "--plain", *fast(), "--report", page)
    assert done.status == 0, done.err
    assert "<h1>BPR on tiny</h1>" in page.read_text(encoding="utf-8")


def test_a_report_that_cannot_be_is_told_before_training(ckd: Ckd, tiny: Path, tmp_path: Path) -> None:
    """After an hour of training is too late."""
    done = ckd("distill", "BPR", "-d", tiny, *PLAIN, "--report", tmp_path)
    assert done.status == 2
    assert "is a directory" in done.err
    assert not Path("ckd_runs").exists()


def test_a_report_below_a_file_is_told_before_training(ckd: Ckd, tiny: Path, tmp_path: Path) -> None:
    """Click looks at the file itself, not at where it has to be made."""
    (tmp_path / "file").write_text("")
    done = ckd("distill", "BPR", "-d", tiny, *PLAIN, "--report", tmp_path / "file" / "page.html")
    assert (done.status, done.out) == (2, "")
    assert re.fullmatch(r"ckd: error: report '.*page\.html' cannot be written: Its folder is a file; .*\n", done.err)
    assert not Path("ckd_runs").exists()


def test_a_report_that_lacks_a_package_is_told_before_training(
    ckd: Ckd, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both packages are in an extra that pip does not install by itself."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    done = ckd("distill", "BPR", "-d", tiny, *PLAIN, "--report", tmp_path / "page.html")
    assert (done.status, done.out) == (2, "")
    assert done.err == "ckd: error: reports need matplotlib and jinja2: pip install 'ckd-plugins[report]'\n"
    assert not Path("ckd_runs").exists()


MISTAKES: list[tuple[str, list[str], str]] = [
    ("teacher", ["-t", "unisrek"], "unknown teacher 'unisrek'; did you mean 'unisrec'?"),
    ("dataset", ["-d", "nowhere"], "dataset 'nowhere' not found (looked for dataset/nowhere/nowhere.inter"),
    ("set", ["-s", "epochs"], "--set 'epochs': give a setting as KEY=VALUE"),
    ("setting", ["-s", "ckd.wieght=1"], "unknown setting 'ckd.wieght'; did you mean 'weight'?"),
    ("type", ["-s", "ckd.weight=heavy"], "setting 'ckd.weight' "),
    ("config", ["-c", "no.yaml"], "config file 'no.yaml' does not exist"),
    ("pretrain", ["-t", "unisrec", "-p", "nowhere"], "dataset 'nowhere' not found"),
    ("recbole", ["-s", "topk=ten"], "RecBole refuses the settings of BPR on tiny: "),
    ("filter", ["-s", "user_inter_num_interval='[99,inf)'"], "dataset 'tiny'"),
]


@pytest.mark.parametrize(("what", "arguments", "message"), MISTAKES, ids=[m[0] for m in MISTAKES])
def test_a_mistake_is_one_line_and_leaves_nothing(
    ckd: Ckd, tiny: Path, tmp_path: Path, what: str, arguments: list[str], message: str
) -> None:
    """A traceback, or half a run's folder, is what RecBole leaves."""
    done = ckd("distill", "BPR", "-q", "-d", tiny, *PLAIN, *arguments)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"ckd: error: {message}")
    assert done.err.count("\n") == 1
    assert not list(Path("ckd_runs").glob("*"))
    assert not (tmp_path / "cache").exists()


def test_an_unknown_model_names_the_nearest(ckd: Ckd, tiny: Path) -> None:
    """RecBole answers with a ValueError about a module."""
    done = ckd("distill", "SASReck", "-d", tiny, *PLAIN)
    assert done.status == 2
    assert done.err.startswith("ckd: error: unknown model 'SASReck'; did you mean 'SASRec'?")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["BPR", "-d", "x", "--teacher", "unisrec"], "No such option"),
        (["BPR"], "Missing option '--dataset'"),
        (["-d", "x"], "Missing argument 'MODEL'"),
    ],
)
def test_wrong_usage_is_told_by_click(arguments: list[str], message: str) -> None:
    """An option that is passed over would train something else."""
    result = CliRunner().invoke(distill, arguments)
    assert result.exit_code == 2
    assert message in result.output


def process(*arguments: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "OMP_NUM_THREADS": "1", "CKD_NO_PLUGINS": "1", **environment}
    command = [sys.executable, "-m", "ckd_plugins", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=env, cwd=cwd, check=False)


def test_the_real_process_with_the_real_encoder(tiny: Path, tmp_path: Path) -> None:
    """What the tests above replace: the interpreter, the language model, and output that is a pipe."""
    home = tmp_path / "cwd"
    home.mkdir()
    root = str(Path(__file__).parents[2])
    settings = [s if s != "ckd.text.encoder=words" else "ckd.text.encoder=minilm" for s in fast()]
    done = process(
        "distill", "BPR", "-d", tiny, *settings, cwd=home, CKD_CACHE=str(tmp_path / "cache"), PYTHONPATH=root
    )
    assert done.returncode == 0, done.stderr
    rows = table(done.stdout)
    assert [row[:2] for row in rows[1:]] == [["teacher", "unisrec"], ["distilled", "BPR"]]
    assert "encode 40 item texts (minilm): " in done.stderr
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr, "other people's warnings are no output of ours"
    assert [p.name for p in home.iterdir()] == ["ckd_runs"]


def test_the_real_process_and_a_mistake(tiny: Path, tmp_path: Path) -> None:
    """Exit status and streams, as a shell sees them."""
    home = tmp_path / "cwd"
    home.mkdir()
    root = str(Path(__file__).parents[2])
    done = process("distill", "BPR", "-d", tiny, "-t", "unisrek", cwd=home, PYTHONPATH=root)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("ckd: error: unknown teacher 'unisrek'; did you mean 'unisrec'?")
    assert done.stderr.count("\n") == 1
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("model", ["SASRec", "LightGCN"])
def test_a_loss_of_vectors_by_its_name(ckd: Ckd, tiny: Path, model: str) -> None:
    """Guards the way from a setting to the vectors of student and teacher."""
    done = ckd("distill", model, "-d", tiny, *fast("ckd.loss=feature_regression"), "--json", "-q")
    assert done.status == 0, done.err
    (epoch,) = json.loads(done.out)["ckd"]["history"]
    assert epoch["distillation/regression_rows"] > 0
    assert epoch["distillation/regression_items"] > 0


def test_a_loss_of_vectors_for_a_student_without_is_one_line(ckd: Ckd, tiny: Path) -> None:
    """Guards against a traceback, a folder of a run that never began, and no word on what to do."""
    done = ckd("distill", "DeepFM", "-d", tiny, *fast("ckd.loss=feature_regression"), "-q")
    assert (done.status, done.out) == (2, "")
    (line,) = done.err.splitlines()
    assert "DeepFM" in line
    assert "take one of the losses kl, " in line
    assert not (Path.cwd() / "ckd_runs").exists()
