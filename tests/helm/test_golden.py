"""Every file in values/: its render is the one in golden/, and every object is one that Kubernetes takes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from sidecar.config.load import load
from tests.e2e import rigs
from tests.helm.golden import GOLDEN, goldens, names, rendered

NEWEST = "1.37"
OLDEST = "1.27"
"""That the chart takes (`kubeVersion`)."""

MUCH = ("escapes", "autoscaling", "landing-oidc", "policy-closed", "sign-in-test")
"""Files with which everything is made that there is; a schema is slow."""

OPERATORS = ("monitoring.coreos.com/", "gateway.networking.k8s.io/")
"""Kinds that a cluster learns from somebody else."""


def pod_of(name: str) -> str:
    """The Deployment's name, and the ConfigMap's."""
    (found,) = (key[1] for key in rendered(name) if key[0] == "Deployment")
    return found


@pytest.fixture(scope="module")
def every() -> list[dict[str, Any]]:
    """The objects of all releases, the same one once."""
    found = {json.dumps(item, sort_keys=True): item for name in names() for item in rendered(name).values()}
    return list(found.values())


def test_there_are_at_least_twenty_files_and_no_golden_one_without_values() -> None:
    assert len(names()) >= 20
    assert names() == sorted(path.stem for path in GOLDEN.glob("*.yaml"))


def test_renders_are_the_golden_ones() -> None:
    """`python -m tests.helm.golden` writes them."""
    different = [name for name, text in goldens() if text != (GOLDEN / f"{name}.yaml").read_text("utf-8")]
    assert [] == different


@pytest.mark.parametrize("name", names())
def test_the_configuration_of_each_is_one_that_the_program_takes(tmp_path: Path, name: str) -> None:
    path = tmp_path / "lychgate.yaml"
    path.write_text(rendered(name)["ConfigMap", pod_of(name)]["data"]["lychgate.yaml"], "utf-8")
    assert load(path, secrets=False).policy.applications


def test_every_object_is_one_that_kubernetes_takes(every: list[dict[str, Any]]) -> None:
    ours = [item for item in every if not item["apiVersion"].startswith(OPERATORS)]
    assert "Secret" not in {item["kind"] for item in ours}
    assert len({item["kind"] for item in ours}) >= 10
    for item in ours:
        kubernetes_validate.validate(item, NEWEST, strict=True)


def test_the_oldest_kubernetes_takes_them_as_well() -> None:
    found = {json.dumps(item, sort_keys=True): item for name in MUCH for item in rendered(name).values()}
    for item in found.values():
        kubernetes_validate.validate(item, OLDEST, strict=True)


def test_a_wrong_field_is_found_in_every_kind(every: list[dict[str, Any]]) -> None:
    """The schemas are Kubernetes' own, and look further than the first level."""
    kinds = {item["kind"]: item for item in every if not item["apiVersion"].startswith(OPERATORS)}
    for kind, item in kinds.items():
        for place in {"metadata", "spec"} & item.keys():
            with pytest.raises(kubernetes_validate.ValidationError):
                kubernetes_validate.validate({**item, place: {**item[place], "replica": 1}}, NEWEST, strict=True)
        with pytest.raises(kubernetes_validate.SchemaNotFoundError):
            kubernetes_validate.validate({**item, "kind": f"{kind}s"}, NEWEST, strict=True)


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
