"""``ckd teacher pretrain`` and ``finetune``, and runs that are taught by what they made."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .conftest import Done, fast

Ckd = Callable[..., Done]

SMALL = ("hidden_size=16", "max_length=10", "batch_size=64", "pretrain_epochs=2", "finetune_epochs=2")
WORDS = "ckd.text.encoder=words"


def sets(*pairs: str) -> list[str]:
    return [part for pair in pairs for part in ("-s", pair)]


@pytest.fixture
def others(tiny: Path) -> list[Path]:
    """Two domains of other users and items."""
    folders = []
    for name in ("north", "south"):
        folder = tiny.with_name(name)
        folder.mkdir()
        for suffix in ("inter", "item"):
            text = (tiny / f"tiny.{suffix}").read_text()
            (folder / f"{name}.{suffix}").write_text(re.sub(r"\b([ui]\d+)\t", rf"{name}\1\t", text))
        folders.append(folder)
    return folders


@pytest.fixture
def pretrain(ckd: Ckd, others: list[Path], tmp_path: Path) -> Callable[..., Done]:
    """``pretrain("more")``: unisrec on both domains, in ``tmp_path/"pre"``."""

    def call(*more: str | Path, name: str = "unisrec", out: Path | None = None) -> Done:
        domains = ",".join(map(str, others))
        where = ("--out", out or tmp_path / "pre")
        return ckd("teacher", "pretrain", name, "--domains", domains, *where, *sets(*SMALL, WORDS), "-q", *more)

    return call


def test_from_pretraining_to_a_taught_student(
    ckd: Ckd, pretrain: Callable[..., Done], tiny: Path, tmp_path: Path
) -> None:
    """The whole way: pre-train once, fine-tune, teach; what a folder holds decides what is done with it."""
    pre, fine = tmp_path / "pre", tmp_path / "fine"
    made = pretrain("--json")
    assert made.status == 0, made.err
    about = json.loads(made.out)
    assert (about["reused"], set(about["seconds"])) == (False, {"pretrain"})
    assert [d["name"] for d in about["card"]["pretraining"]["domains"]] == ["north", "south"]

    tuned = ckd("teacher", "finetune", pre, "-d", tiny, "-o", fine, *sets(WORDS, "gpu_id=''"), "--json", "-q")
    assert tuned.status == 0, tuned.err
    result = json.loads(tuned.out)
    assert set(result["seconds"]) == {"finetune"}
    assert 0 < result["test_result"]["ndcg@10"] <= 1
    assert result["card"]["results"] == {"validation": result["valid_result"], "test": result["test_result"]}

    by_time = "eval_args={split: {LS: valid_and_test}, order: TO, mode: full, group_by: user}"
    options = [*fast("ckd.teachers=[]", by_time), "--json", "-q"]
    done = ckd("distill", "BPR", "-d", tiny, "-t", fine, *options)
    assert done.status == 0, done.err
    teacher = json.loads(done.out)["ckd"]["teachers"]["unisrec"]
    assert (teacher["folder"], set(teacher["seconds"])) == (str(fine), {"cache"})  # used as it is
    (store,) = json.loads(ckd("teacher", "cache", "--verify", "-d", tiny, "--json").out)  # its name tells the dataset
    assert (store["teacher"], store["dataset"], store["store"]) == ("unisrec", "tiny", teacher["store"])
    done = ckd("distill", "BPR", "-d", tiny, "-t", pre, *options)
    assert done.status == 0, done.err
    own = json.loads(done.out)["ckd"]["teachers"]["unisrec"]
    assert set(own["seconds"]) == {"finetune", "cache"}  # fine-tuned in the run, not pre-trained again
    saved = Path(own["folder"]) / "model.safetensors"
    assert saved.read_bytes() == (fine / "model.safetensors").read_bytes()


@pytest.mark.parametrize("kind", ["unim2rec", "recformer"])
def test_what_a_teacher_reads_besides_texts_is_given_to_both_commands(
    ckd: Ckd, tiny: Path, others: list[Path], tmp_path: Path, bert: str, kind: str
) -> None:
    """Files belong to a machine and are not in a teacher's folder; of its images each domain has its own."""
    paths = {}
    for folder in (tiny, *others):
        tokens = [line.split("\t")[0] for line in (folder / f"{folder.name}.item").read_text().splitlines()[1:]]
        paths[folder.name] = str(tmp_path / f"{folder.name}.npz")
        looks = np.random.default_rng(len(tokens)).standard_normal((len(tokens), 6))
        np.savez(paths[folder.name], tokens=np.array(tokens), vectors=looks)
    pre, fine = tmp_path / "pre", tmp_path / "fine"
    files = f"images={json.dumps(paths)}" if kind == "unim2rec" else f"backbone={bert}"
    own = ("max_tokens=24", "attribute_tokens=6", "second_stage=1", *SMALL[1:]) if kind == "recformer" else SMALL
    domains = ",".join(map(str, others))
    made = ckd("teacher", "pretrain", kind, "-p", domains, "-o", pre, *sets(*own, files, WORDS), "-q")
    assert made.status == 0, made.err
    tuned = ckd("teacher", "finetune", pre, "-d", tiny, "-o", fine, *sets(files, WORDS, "gpu_id=''"), "--json", "-q")
    assert tuned.status == 0, tuned.err
    card = json.loads(tuned.out)["card"]
    assert [d["name"] for d in card["pretraining"]["domains"]] == ["north", "south"]
    assert str(tmp_path) not in json.dumps(card["made_from"])
    shown = ckd("teacher", "show", fine)
    assert shown.status == 0, shown.err
    assert f"teacher {kind} stage fine-tuned pre-trained on north" in " ".join(shown.out.split())
    by_time = "eval_args={split: {LS: valid_and_test}, order: TO, mode: full, group_by: user}"
    done = ckd("distill", "BPR", "-d", tiny, "-t", fine, *fast("ckd.teachers=[]", by_time), "--json", "-q")
    assert done.status == 0, done.err
    assert set(json.loads(done.out)["ckd"]["teachers"][kind]["seconds"]) == {"cache"}


def test_a_recbole_model_is_fine_tuned_into_a_folder(ckd: Ckd, tiny: Path, others: list[Path], tmp_path: Path) -> None:
    """It has no pre-training: its card must not tell of one, nor its student be refused for one."""
    out = ("-o", tmp_path / "pre")
    done = ckd("teacher", "pretrain", "recbole:model=ItemKNN", "-p", others[0], *out, "-q")
    assert done.status == 2
    assert "teacher 'recbole' learns nothing in pre-training; fine-tune it instead" in done.err
    assert not (tmp_path / "pre").exists()
    for model, *more in (("ItemKNN",), ("GRU4Rec", "settings={epochs: 1, train_batch_size: 64}")):
        out = tmp_path / model
        options = sets("k=10", "gpu_id=''", f"ckd.pretrain_domains=['{others[0]}']", *more)
        done = ckd("teacher", "finetune", f"recbole:model={model}", "-d", tiny, "-o", out, *options, "--json", "-q")
        assert done.status == 0, done.err
        about = json.loads(done.out)
        assert (set(about["seconds"]), about["card"]["pretraining"]) == ({"pretrain", "finetune"}, None)
        assert not (out / "seen.safetensors").exists()
    shown = ckd("teacher", "show", tmp_path / "GRU4Rec")
    assert "fine-tuned on" in shown.out
    assert "pre-trained" not in shown.out
    by_time = "eval_args={split: {LS: valid_and_test}, order: TO, mode: full, group_by: user}"
    both = f"{tmp_path / 'ItemKNN'},{tmp_path / 'GRU4Rec'}"
    done = ckd("distill", "BPR", "-d", tiny, "-t", both, *fast("ckd.teachers=[]", by_time), "--json", "-q")
    assert done.status == 0, done.err
    assert set(json.loads(done.out)["ckd"]["teachers"]) == {"recbole-ItemKNN", "recbole-GRU4Rec"}


def test_the_same_command_finds_what_is_there(pretrain: Callable[..., Done]) -> None:
    """A script that is run twice must not train for hours again, and must not be refused."""
    first, second = pretrain(), pretrain()
    assert first.status == second.status == 0, second.err
    assert first.out.splitlines()[1].split()[1] != "reused"
    assert second.out.splitlines()[1].split()[:2] == ["unisrec", "reused"]


def test_another_teacher_does_not_overwrite(pretrain: Callable[..., Done], tmp_path: Path) -> None:
    """Hours of training would be gone for one changed option."""
    assert pretrain().status == 0
    before = (tmp_path / "pre" / "model.safetensors").read_bytes()
    done = pretrain("-s", "hidden_size=32")
    assert done.status == 2
    assert "holds another teacher: its option hidden_size is 16 and this one needs 32" in done.err
    assert pretrain("-s", "seed=7").err.count("its seed is 2020 and this one needs 7") == 1
    assert (tmp_path / "pre" / "model.safetensors").read_bytes() == before


def test_options_come_from_the_config_and_the_name_too(ckd: Ckd, others: list[Path], tmp_path: Path) -> None:
    """A teacher that is pre-trained with other options than its run has cannot be used in it."""
    config = tmp_path / "run.yaml"
    lines = "{name: unisrec, hidden_size: 16, max_length: 10, pretrain_epochs: 1, n_heads: 1, dropout: 0.1}"
    config.write_text(f"ckd:\n  text: {{encoder: words}}\n  pretrain_domains: ['{others[0]}']\n  teachers: [{lines}]\n")
    name = "unisrec:dropout=0.3:n_heads=2"
    done = ckd("teacher", "pretrain", name, "-o", tmp_path / "pre", "-c", config, "-s", "dropout=0.2", "--json", "-q")
    assert done.status == 0, done.err
    options = json.loads(done.out)["card"]["made_from"]["options"]
    assert (options["hidden_size"], options["n_heads"], options["dropout"]) == (16, 2, 0.2)


def test_an_entry_of_the_config_is_found_by_its_label(ckd: Ckd, tiny: Path, tmp_path: Path) -> None:
    """Of two of one kind the first one would be made, whichever was meant."""
    config = tmp_path / "run.yaml"
    two = ["{name: recbole, model: Pop, as: pop}", "{name: recbole, model: EASE, as: ease}"]
    config.write_text(f"ckd:\n  teachers: [{', '.join(two)}]\n")
    done = ckd("teacher", "finetune", "ease:k=7", "-d", tiny, "-o", tmp_path / "ease", "-c", config, "--json", "-q")
    assert done.status == 0, done.err
    card = json.loads(done.out)["card"]
    options = card["made_from"]["options"]
    assert (card["teacher"], options["model"], options["k"]) == ("recbole", "EASE", 7)


def test_a_teacher_that_was_made_is_shown_and_listed(ckd: Ckd, pretrain: Callable[..., Done], tmp_path: Path) -> None:
    """A folder of weights that nobody can tell apart is thrown away."""
    assert pretrain().status == 0
    (tmp_path / ".pre.partial").mkdir()
    (tmp_path / ".pre.partial" / "config.json").write_text("{}")
    rows = {line[:30].strip(): line for line in ckd("teacher", "show", tmp_path / "pre").out.splitlines()}
    text = "\n".join(rows.values())
    for part in (
        "unisrec",
        "pre-trained on",
        "north (60 users, 40 items",
        "seed",
        "2020",
        "parameters",
        " MB",
        "torch ",
    ):
        assert part in text, part
    listed = json.loads(ckd("teacher", "list", "--dir", tmp_path, "--json").out)
    assert [(f["folder"], f["teacher"], f["stage"]) for f in listed["folders"]] == [
        (str(tmp_path / "pre"), "unisrec", "pre-trained")
    ]
    page = (tmp_path / "pre" / "README.md").read_text()
    assert page.startswith("---\nlibrary_name: ckd-plugins\n")
    assert "# unisrec, pre-trained on north, south" in page
    assert "| pre-training | north | 60 | 40 |" in page
    assert ckd("teacher", "list", "--dir", tmp_path / "nowhere").status == 2


def test_registered_teachers_show_their_options(ckd: Ckd) -> None:
    """The only other place with all of them is the source."""
    done = ckd("teacher", "show", "recbole")
    assert done.status == 0, done.err
    model = next(line for line in done.out.splitlines() if line.startswith("model "))
    assert model.split()[1] == "required"
    assert "RecBole's name of the model" in model
    assert "(SequenceModel says why)" in ckd("teacher", "show", "vqrec").out  # no markup of docstrings
    shown = json.loads(ckd("teacher", "show", "unisrec", "--json").out)
    options = {o["name"]: o for o in shown["options"]}
    assert (options["hidden_size"]["default"], shown["needs"]) == (256, ["text", "history"])
    assert not {"encoder", "cache_dir", "seed"} & set(options)


def test_the_list_reads_the_cache_that_the_config_names(ckd: Ckd, tiny: Path, tmp_path: Path) -> None:
    """Teachers that are kept elsewhere would seem lost."""
    (tmp_path / "c.yaml").write_text(f"ckd:\n  cache_dir: {tmp_path / 'elsewhere'}\n  text: {{encoder: words}}\n")
    options = ["-c", tmp_path / "c.yaml", "-s", "gpu_id=''", "-q", "--json"]
    name = "unisrec:finetune_epochs=1:hidden_size=16:max_length=10"
    made = ckd("teacher", "cache", name, "-d", tiny, *options)
    assert made.status == 0, made.err
    folder = json.loads(made.out)["unisrec"]["folder"]
    assert folder.startswith(str(tmp_path / "elsewhere"))
    assert f"cached: {folder}" in ckd("teacher", "list", "-c", tmp_path / "c.yaml").out
    assert f"cached: {folder}" in ckd("teacher", "list", "--cache-dir", tmp_path / "elsewhere").out
    assert "cached:" not in ckd("teacher", "list").out


def test_two_of_one_kind_teach_one_student(ckd: Ckd, tiny: Path) -> None:
    """ItemKNN and EASE are both called recbole; their answers must not be taken for one another's."""
    names = "recbole:model=ItemKNN:k=20,recbole:model=EASE:k=20"
    done = ckd("distill", "BPR", "-d", tiny, "-t", names, *fast("ckd.teachers=[]"), "--json", "-q")
    assert done.status == 0, done.err
    about: dict[str, Any] = json.loads(done.out)["ckd"]
    assert list(about["teachers"]) == ["recbole-ItemKNN", "recbole-EASE"]
    assert len({t["store"] for t in about["teachers"].values()}) == 2
    assert {"weight/recbole-ItemKNN", "weight/recbole-EASE"} <= set(about["history"][-1])


MISTAKES: list[tuple[str, list[str], str]] = [
    ("teacher", ["pretrain", "unisrek", "-p", "{n}", "-o", "{out}"], "unknown teacher 'unisrek'; did you mean"),
    ("option", ["pretrain", "unisrec", "-p", "{n}", "-o", "{out}", "-s", "hiden_size=1"], "mean 'hidden_size'?"),
    ("no domain", ["pretrain", "unisrec", "-o", "{out}"], "give --domains or ckd.pretrain_domains"),
    ("domain", ["pretrain", "unisrec", "-p", "nowhere", "-o", "{out}"], "dataset 'nowhere' not found"),
    ("ids only", ["pretrain", "recbole:model=EASE", "-p", "{n}", "-o", "{out}"], "learns nothing in pre-training"),
    ("used", ["pretrain", "unisrec", "-p", "{n}", "-o", "{data}"], "exists and is no teacher's folder"),
    ("file", ["pretrain", "unisrec", "-p", "{n}", "-o", "{data}/tiny.item"], "exists and is no teacher's folder"),
    ("from", ["finetune", "unisrec", "--from", "{data}", "-d", "{data}", "-o", "{out}"], "holds no saved teacher"),
    ("dir", ["finetune", "{data}", "-d", "{data}", "-o", "{out}"], "holds no saved teacher"),
    ("show", ["show", "{data}"], "holds no saved teacher"),
    ("name", ["show", "unisrek"], "unknown teacher 'unisrek'"),
]


@pytest.mark.parametrize(("what", "arguments", "message"), MISTAKES, ids=[m[0] for m in MISTAKES])
def test_a_mistake_is_one_line_and_nothing_is_written(
    ckd: Ckd, tiny: Path, others: list[Path], tmp_path: Path, what: str, arguments: list[str], message: str
) -> None:
    """After hours of training is too late for a typo in --out."""
    out = tmp_path / "new"
    filled = [a.format(n=others[0], out=out, data=tiny) for a in arguments]
    more = [] if arguments[0] == "show" else ["-s", WORDS, "-q"]
    done = ckd("teacher", *filled, *more)
    assert (done.status, done.out) == (2, ""), done.out
    assert message in done.err
    assert done.err.count("\n") == 1
    assert not out.exists()


def test_what_was_pretrained_on_the_test_data_is_refused(ckd: Ckd, tiny: Path, tmp_path: Path) -> None:
    """Under another name and in another folder the student's own data are still its own data."""
    copy = tiny.with_name("copy")
    shutil.copytree(tiny, copy)
    for file in copy.iterdir():
        file.rename(file.with_name(file.name.replace("tiny", "copy")))
    pre = tmp_path / "pre"
    made = ckd("teacher", "pretrain", "unisrec", "-p", copy, "-o", pre, *sets(*SMALL, WORDS), "-q")
    assert made.status == 0, made.err
    wrong = ckd("teacher", "finetune", "vqrec", "--from", pre, "-d", tiny, "-o", tmp_path / "fine", "-s", WORDS, "-q")
    assert "holds the teacher 'unisrec', not 'vqrec'" in wrong.err
    twice = ckd("teacher", "finetune", pre, "--from", pre, "-d", tiny, "-o", tmp_path / "fine", "-s", WORDS, "-q")
    assert (twice.status, "and so is --from" in twice.err) == (2, True)
    for done in (
        ckd("teacher", "finetune", pre, "-d", tiny, "-o", tmp_path / "fine", "-s", WORDS, "-q"),
        ckd("distill", "BPR", "-d", tiny, "-t", pre, *fast("ckd.teachers=[]"), "-q"),
    ):
        assert done.status == 2
        assert "was pre-trained on 'copy', which holds" in done.err
        assert done.err.count("\n") == 1
    assert not (tmp_path / "fine").exists()


def test_a_teacher_of_another_split_is_refused(
    ckd: Ckd, pretrain: Callable[..., Done], tiny: Path, tmp_path: Path
) -> None:
    """It has seen what this run tests on."""
    fine = tmp_path / "fine"
    made = ckd("teacher", "finetune", "unisrec", "-d", tiny, "-o", fine, *sets(*SMALL, WORDS, "gpu_id=''"), "-q")
    assert made.status == 0, made.err
    other = "eval_args={split: {RS: [0.8, 0.1, 0.1]}, order: RO, mode: full, group_by: user}"
    done = ckd("distill", "BPR", "-d", tiny, "-t", fine, *fast("ckd.teachers=[]", other), "-q")
    assert done.status == 2
    assert "is fine-tuned on other data (tiny): data is '" in done.err
    again = ckd("teacher", "finetune", fine, "-d", tiny, "-o", tmp_path / "more", "-s", WORDS, "-q")
    assert "is fine-tuned already" in again.err
    changed = ckd("distill", "BPR", "-d", tiny, "-t", f"{fine}:temperature=2.0", *fast("ckd.teachers=[]"), "-q")
    assert "is fine-tuned, so the option 'temperature' would change nothing" in changed.err
    (fine / "card.json").unlink()
    unknown = ckd("distill", "BPR", "-d", tiny, "-t", fine, *fast("ckd.teachers=[]"), "-q")
    assert "has no card.json, so nobody knows on what" in unknown.err
