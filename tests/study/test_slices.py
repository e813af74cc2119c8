"""The table of slices says of each what the results say."""

from __future__ import annotations

from ckd_plugins.study.report import write_report
from ckd_plugins.study.rows import comparison
from ckd_plugins.study.slices import by_slice

TOLD = {
    "all": {"users": 1230, "ndcg@10": 0.1},
    "domains": {"tea": {"users": 1200, "ndcg@10": 0.2}, "lamps": {"users": 30, "ndcg@10": 0.4}},
    "macro": {"ndcg@10": 0.3},
    "cold_items": {"users": 7, "ndcg@10": 0.0},
}


def sliced(result, **more):
    found = result("SASRec", 0.1, **more)
    found["ckd"]["slices"] = TOLD
    for teacher in found["ckd"]["teachers"].values():
        teacher["slices"] = {**TOLD, "cold_items": {"users": 7, "ndcg@10": 0.5}}
    return found


def test_teacher_and_student_stand_in_one_table(result):
    """That a text teacher ranks what the student never saw is the point of the slice."""
    plain = result("SASRec", 0.09)
    heads, rows = by_slice(comparison([plain, sliced(result, teachers={"unisrec": 0.2})]), "ndcg@10")
    assert heads == ["all users (1,230)", "mean of domains", "tea (1,200)", "lamps (30)", "cold items (7)"]
    assert [(row.kind, values) for row, values in rows] == [
        ("teacher", [0.1, 0.3, 0.2, 0.4, 0.5]),
        ("distilled", [0.1, 0.3, 0.2, 0.4, 0.0]),
    ]


def test_without_slices_there_is_no_table(result):
    """An empty table, or one of a metric that no slice has, is noise."""
    assert by_slice(comparison([result("SASRec", 0.1)]), "ndcg@10") is None
    assert by_slice(comparison([sliced(result)]), "itemcoverage@10") is None
    lone = result("SASRec", 0.1)
    lone["ckd"]["slices"] = {"all": TOLD["all"]}
    assert by_slice(comparison([lone]), "ndcg@10") is None


def test_the_report_has_the_table(result, tmp_path):
    """What is in the result must be on the page."""
    page = write_report(tmp_path / "r.html", [sliced(result, teachers={"unisrec": 0.2})], title="t").read_text()
    assert "ndcg@10 by slice" in page
    assert "<th>cold items (7)</th>" in page
    assert "<td>0.5000</td>" in page
