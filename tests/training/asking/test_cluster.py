"""A Ray cluster of two nodes on this machine, one of which is killed. Needs the extra ``ray``."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import psutil
import pytest

from ckd_plugins.errors import EnvironmentProblem, TeacherError
from ckd_plugins.training.asking import RayCluster

from .conftest import Place, content


def test_without_ray_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be told after the teacher has been trained, and as a traceback."""
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(EnvironmentProblem, match=r"pip install 'ckd-plugins\[ray\]'"):
        RayCluster()


def test_a_cluster_that_is_not_there_is_one_line() -> None:
    """Ray tries for minutes, and what it says then is a page; the teacher would be trained by then."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else can answer there
        with pytest.raises(EnvironmentProblem, match=r"no cluster answers .* start one with 'ray start --head'"):
            RayCluster(f"127.0.0.1:{taken.getsockname()[1]}")


@pytest.fixture
def cluster(place: Place) -> Iterator[Any]:
    """Two nodes with a processor, and a head without, so that every task runs on a node that can be killed.

    We connect while there is the head alone: a driver ends with the node that it has connected to.
    """
    made = import_module("ray.cluster_utils").Cluster(
        initialize_head=True, connect=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
    )
    for _ in range(2):
        made.add_node(num_cpus=1)
    yield made
    import_module("ray").shutdown()
    made.shutdown()


@pytest.mark.slow
def test_a_killed_node_s_shards_are_asked_on_another(place: Place, cluster: Any, recorder: Any) -> None:
    """Its shards would be missing, or be rows of zeros."""
    fill = import_module("teller").fill
    one = content(fill(place("one")))
    folder = place("two", once="sleep")
    killed: list[str] = []

    def kill() -> None:
        """Kill the node whose worker sleeps over a shard."""
        mark = folder.parent / "sleeping"
        while not (mark.exists() and mark.read_text()):
            time.sleep(0.05)
        node = psutil.Process(int(mark.read_text())).parent()
        assert node is not None
        killed.append(node.name())
        for process in (node, *node.children(recursive=True)):
            process.kill()

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    path = fill(folder, RayCluster(cluster.address), recorder)
    killer.join(60)
    assert killed == ["raylet"]
    assert content(path) == one
    assert len(list(folder.parent.glob("asked-by-*"))) >= 2


@pytest.mark.slow
def test_a_teacher_s_error_is_told_as_here(place: Place, cluster: Any) -> None:
    """Ray wraps it into one of its own, with a page of traceback."""
    import_module("ray").shutdown()  # so that it connects itself
    with pytest.raises(TeacherError, match=r"^it does not like row 100$"):
        import_module("teller").fill(place("one", quirk="refuse"), RayCluster(cluster.address))
