"""The example plugins as their users have them: installed distributions that the entry-point group finds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from ckd_plugins.testing import write_distribution

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/pyproject.toml"))

COMPONENTS = {
    "ckd-markov-student": ["student:MarkovRec", "student:SmallGRU4Rec"],
    "ckd-rce-loss": ["loss:rce"],
    "ckd-novelty-curriculum": ["difficulty:novelty", "schedule:sigmoid"],
}

USE = {
    "ckd-markov-student": """
        import warnings
        from pathlib import Path
        from ckd_plugins.training.survey import survey

        warnings.simplefilter("ignore")
        rows = [survey(name, Path("scratch"), registry) for name in ("MarkovRec", "SmallGRU4Rec")]
        assert [(row.family, row.status, row.reader, row.passes) for row in rows] == [
            ("sequential", "student", "loss logits", 1)
        ] * 2
    """,
    "ckd-rce-loss": """
        from ckd_plugins.config import Component
        from ckd_plugins.distillation import Objective
        from ckd_plugins.signals import DenseSignal

        candidates = Component(name="in_batch").build(registry, "candidates", seed=0)
        integrator = Component(name="confidence_consistency").build(registry, "integrator")
        chosen = Component(name="rce", options={"top": 2, "closure": 2})
        chosen.check(registry, "loss", host=("tau",))
        loss = chosen.build(registry, "loss", tau=2.0)
        assert loss.tau == 2.0
        signals = [DenseSignal.from_arrays(torch.randn(4, 9), name=name) for name in "ab"]
        scores = torch.randn(4, 3, requires_grad=True)
        output = Objective(signals, candidates, integrator, loss)(
            torch.arange(4), torch.tensor([5, 2, 8, 2]), lambda candidates: scores
        )
        output.loss.backward()
        assert torch.isfinite(scores.grad).all() and scores.grad.abs().sum() > 0
        assert {"distillation/rce_student", "distillation/rce_teacher"} <= set(output.terms)
    """,
    "ckd-novelty-curriculum": """
        import numpy as np
        from ckd_plugins.config import Component, Curriculum
        from ckd_plugins.curriculum import CurriculumSampler, Evidence, combine

        given = Curriculum(difficulty={"length": 1, "novelty": 2}, schedule={"name": "sigmoid", "start": 0.5})
        flat, at = np.array([1, 2, 1, 2, 1, 3]), np.arange(5)
        evidence = Evidence(flat, at, at + 1, flat[1:], np.ones(4))
        measures = {name: registry.get("difficulty", name).load()(evidence) for name in given.difficulty}
        weights = {name: measure.weight for name, measure in given.difficulty.items()}
        difficulty = combine(measures, weights, direction=given.direction)
        schedule = given.schedule.build(registry, "schedule", until=1.0)
        sampler = CurriculumSampler(difficulty, schedule, epochs=4)
        assert 4 not in list(sampler) and len(sampler) == 3  # the step 1 -> 3 is taken once
        sampler.set_epoch(4)
        assert sorted(sampler) == list(range(5))
    """,
}

CHECK = """
import sys, textwrap
import torch
from click.testing import CliRunner
from ckd_plugins.cli.main import ckd
from ckd_plugins.registry import get_registry

torch.set_num_threads(1)
torch.manual_seed(0)
checked = CliRunner().invoke(ckd, ["plugins", "check", sys.argv[1]])
assert checked.exit_code == 0, checked.output
registry = get_registry()
exec(textwrap.dedent(sys.argv[2]))
"""


@pytest.fixture(params=EXAMPLES, ids=lambda path: path.name)
def example(request):
    return request.param


def project(example):
    return tomllib.loads((example / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def install(example, folder):
    """Put an example into a folder as pip would install it."""
    about = project(example)
    points = about["entry-points"]["ckd_plugins"]
    write_distribution(folder, about["name"], about["version"], entry_points=points)
    package = about["name"].replace("-", "_")
    shutil.copytree(example / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))


@pytest.fixture
def site(example, tmp_path):
    install(example, tmp_path / "site")
    return tmp_path / "site"


def python(site, *arguments):
    """Run Python with the example and this checkout installed, and no other switches of ours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CKD_")}
    path = os.pathsep.join([str(site), str(ROOT)])
    environment = {**kept, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        cwd=site,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_every_example_is_tested_here():
    """An example that nobody runs rots."""
    assert {path.name for path in EXAMPLES} == set(COMPONENTS) == set(USE)


def test_is_listed_as_ok(example, site):
    """A wrong entry point, or a record that the registry refuses."""
    done = python(site, "-m", "ckd_plugins", "plugins", "list", "--json")
    assert done.returncode == 0, done.stderr
    rows = {row["distribution"]: row for row in json.loads(done.stdout) if not row["builtin"]}
    row = rows[example.name]
    assert (row["status"], row["components"], row["error"]) == ("ok", COMPONENTS[example.name], None)


def test_keeps_its_promises_and_works_in_a_run(example, site):
    """A component that is listed and cannot be built from a config, or not be used where a run uses it."""
    name = next(iter(project(example)["entry-points"]["ckd_plugins"]))
    done = python(site, "-c", CHECK, name, USE[example.name])
    assert done.returncode == 0, done.stdout + done.stderr


def test_their_own_tests_pass(tmp_path):
    """The examples' tests are part of what they show."""
    for example in EXAMPLES:
        install(example, tmp_path)
    installed = "ckd_plugins" in entry_points(group="pytest11").names
    fixtures = [] if installed else ["-p", "ckd_plugins.testing.plugin"]
    options = ["-q", "-p", "no:cacheprovider", "--noconftest", "--import-mode=importlib", "-c", os.devnull]
    tests = [str(example / "tests") for example in EXAMPLES]
    done = python(tmp_path, "-m", "pytest", *options, *fixtures, "--rootdir", str(ROOT / "examples"), *tests)
    assert done.returncode == 0, done.stdout + done.stderr


def test_its_wheel_holds_package_and_entry_point(example, tmp_path, monkeypatch):
    """A pyproject.toml that forgets the package: it would install and not import."""
    from hatchling import build as backend

    monkeypatch.chdir(example)
    with zipfile.ZipFile(tmp_path / backend.build_wheel(str(tmp_path))) as wheel:
        names = wheel.namelist()
        points = next(name for name in names if name.endswith("entry_points.txt"))
        assert "[ckd_plugins]" in wheel.read(points).decode()
    assert f"{example.name.replace('-', '_')}/plugin.py" in names


def test_a_wheel_with_a_model_of_its_own_is_installed_and_distilled(tmp_path, monkeypatch):
    """The promise to strangers: build a wheel, install it beside this package, and its model is a student."""
    from hatchling import build as backend

    monkeypatch.chdir(ROOT / "examples" / "ckd-markov-student")
    wheel = tmp_path / backend.build_wheel(str(tmp_path))
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    # What this test runs with is installed there as well; only the wheel is new.
    inside = next((venv / "lib").glob("python*/site-packages"))
    (inside / "this.pth").write_text("\n".join([str(ROOT), *(p for p in sys.path if p.endswith("site-packages"))]))
    pip = [str(venv / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "-q"]
    subprocess.run([*pip, "--no-index", "--no-deps", str(wheel)], check=True)
    config = tmp_path / "run.yaml"
    config.write_text(
        "user_inter_num_interval: '[20,40]'\nepochs: 2\ngpu_id: ''\nvalid_metric: NDCG@10\nckd:\n"
        f"  teachers: [{{name: recbole, model: ItemKNN}}]\n  cache_dir: {tmp_path / 'cache'}\n"
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CKD_", "PYTHON"))}
    done = subprocess.run(
        [str(venv / "bin" / "python"), "-m", "ckd_plugins", "distill", "MarkovRec", "-d", "ml-100k", "-c", str(config)],
        env={**kept, "OMP_NUM_THREADS": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(next(tmp_path.glob("ckd_runs/*-MarkovRec-ml-100k-distilled/result.json")).read_text())
    about = result["ckd"]
    assert (about["model"], about["reader"], about["passes"]) == ("MarkovRec", "loss logits", 1)
    assert about["history"][-1]["distillation_loss"] > 0
    assert about["parameters"] % 64 == 0, "the wheel's YAML says 32 dimensions, in two tables"
    assert set(result["test_result"]) >= {"recall@10", "ndcg@10"}


def test_its_readme_names_its_plugin(example):
    """A README with a name that 'ckd plugins check' does not know."""
    name = next(iter(project(example)["entry-points"]["ckd_plugins"]))
    assert f"ckd plugins check {name}" in (example / "README.md").read_text(encoding="utf-8")
