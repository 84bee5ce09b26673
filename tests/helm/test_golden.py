"""Every file in values/: its render is the one in golden/, and every object is one that Kubernetes takes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from tests.e2e import rigs
from tests.helm.golden import GOLDEN, goldens, names, rendered, with_database

NEWEST = "1.37"
OLDEST = "1.27"
"""That the chart takes (`kubeVersion`)."""

MUCH = ("escapes", "autoscaling", "landing-oidc", "policy-closed", "sign-in-test")
"""Files with which everything is made that there is; a schema is slow."""

OPERATORS = ("monitoring.coreos.com/", "gateway.networking.k8s.io/")
"""Kinds that a cluster learns from somebody else."""


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_database(tmp_path_factory.mktemp("chart"))


@pytest.fixture(scope="module")
def every(chart: Path) -> list[dict[str, Any]]:
    """The objects of all releases, the same one once."""
    found = {json.dumps(item, sort_keys=True): item for name in names() for item in rendered(name, chart).values()}
    return list(found.values())


def test_there_are_at_least_twenty_files_and_no_golden_one_without_values() -> None:
    assert len(names()) >= 20
    assert names() == sorted(path.stem for path in GOLDEN.glob("*.yaml"))


def test_renders_are_the_golden_ones(chart: Path) -> None:
    """`python -m tests.helm.golden` writes them."""
    different = [name for name, text in goldens(chart) if text != (GOLDEN / f"{name}.yaml").read_text("utf-8")]
    assert [] == different


def test_every_object_is_one_that_kubernetes_takes(every: list[dict[str, Any]]) -> None:
    ours = [item for item in every if not item["apiVersion"].startswith(OPERATORS)]
    assert len({item["kind"] for item in ours}) >= 10
    for item in ours:
        kubernetes_validate.validate(item, NEWEST, strict=True)


def test_the_oldest_kubernetes_takes_them_as_well(chart: Path) -> None:
    found = {json.dumps(item, sort_keys=True): item for name in MUCH for item in rendered(name, chart).values()}
    for item in found.values():
        kubernetes_validate.validate(item, OLDEST, strict=True)


def test_a_wrong_object_is_found(every: list[dict[str, Any]]) -> None:
    deployment = next(item for item in every if item["kind"] == "Deployment")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**deployment, "spec": {**deployment["spec"], "replica": 1}}, NEWEST, strict=True)


@pytest.mark.node
def test_every_object_of_an_operator_is_one_that_the_operator_takes(every: list[dict[str, Any]]) -> None:
    if not rigs.npm_ready():
        pytest.skip("without Node.js nobody knows the operators' kinds")
    theirs = [item for item in every if item["apiVersion"].startswith(OPERATORS)]
    assert {"HTTPRoute", "ServiceMonitor", "PodMonitor", "PrometheusRule"} == {item["kind"] for item in theirs}
    broken = {"apiVersion": theirs[0]["apiVersion"], "kind": theirs[0]["kind"], "metadata": {"name": "x"}, "spec": 7}
    told = subprocess.run(
        ["node", "custom_objects.mjs"],
        input=json.dumps([*theirs, broken]),
        cwd=rigs.NODE_FOLDER,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    *faults, last = json.loads(told.stdout)
    assert [""] * len(theirs) == faults
    assert last
