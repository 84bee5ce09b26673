"""Atlassian's own charts, rendered with the values that we make. The charts are theirs and not in this project:

git clone https://github.com/atlassian/data-center-helm-charts
ATLASSIAN_CHARTS=data-center-helm-charts/src/main/charts make test
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from helm_python import Chart

from sidecar.config.pod import CHARTS, Pod, values
from tests.helm.pod_site import IMAGE, PORTS, read

pytestmark = pytest.mark.outside

PRODUCTS = sorted(CHARTS)


@pytest.fixture(scope="module")
def charts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The charts with the part that they share, as `helm dependency build` would leave them."""
    source = os.environ.get("ATLASSIAN_CHARTS")
    if source is None:
        pytest.skip("ATLASSIAN_CHARTS names no folder with Atlassian's charts")
    folder = tmp_path_factory.mktemp("charts")
    for product in PRODUCTS:
        shutil.copytree(Path(source) / product, folder / product)
        shutil.copytree(Path(source) / "common", folder / product / "charts" / "common")
    return folder


def rendered(charts: Path, tmp_path: Path, product: str, **pod: Any) -> dict[tuple[str, str], dict[str, Any]]:
    made = values(read(tmp_path, product).config, Pod(product=product, image=IMAGE, **pod))
    with Chart.load(charts / product) as chart:
        texts = chart.render(values=made, name="prod")
    found = {}
    for path, text in texts.items():
        for item in yaml.safe_load_all(text) if path.endswith(".yaml") else ():
            if item is not None:
                found[item["kind"], item["metadata"]["name"]] = item
    return found


@pytest.mark.parametrize("product", PRODUCTS)
def test_the_service_leads_to_the_gate_and_tomcat_is_elsewhere(charts: Path, tmp_path: Path, product: str) -> None:
    found = rendered(charts, tmp_path, product)
    public, tomcat = PORTS[product]
    (port, *_) = found["Service", f"prod-{product}"]["spec"]["ports"]
    assert "http" == port["targetPort"]
    spec = found["StatefulSet", f"prod-{product}"]["spec"]["template"]["spec"]
    (container,) = (one for one in spec["containers"] if one["name"] == product)
    assert {"name": "http", "containerPort": public, "protocol": "TCP"} in container["ports"]
    server = found["ConfigMap", f"prod-{product}-server-config"]["data"]["server.xml"]
    assert f'port="{tomcat}"' in server and f'port="{public}"' not in server
    assert f'proxyName="{product}.example.com"' in server and f'path="/{product}"' in server


@pytest.mark.parametrize("product", PRODUCTS)
def test_the_gate_is_a_native_sidecar_and_its_probes_and_the_product_s_ask_the_gate(
    charts: Path, tmp_path: Path, product: str
) -> None:
    found = rendered(charts, tmp_path, product, initialise=True)
    spec = found["StatefulSet", f"prod-{product}"]["spec"]["template"]["spec"]
    names = [one["name"] for one in spec["initContainers"]]
    assert ["lychgate-ledger-init", "lychgate"] == [name for name in names if name.startswith("lychgate")]
    gate = spec["initContainers"][names.index("lychgate")]
    assert "Always" == gate["restartPolicy"]
    assert {9090} == {gate[probe]["httpGet"]["port"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")}
    (container,) = (one for one in spec["containers"] if one["name"] == product)
    assert {"path": "/upstream-status", "port": 9090} == container["readinessProbe"]["httpGet"]
    # Left as the chart has them: they would ask the gate's port and say nothing of the product.
    assert "livenessProbe" not in container and "startupProbe" not in container
    assert 70 == spec["terminationGracePeriodSeconds"]


@pytest.mark.parametrize("product", PRODUCTS)
def test_nothing_is_there_twice(charts: Path, tmp_path: Path, product: str) -> None:
    spec = rendered(charts, tmp_path, product)["StatefulSet", f"prod-{product}"]["spec"]["template"]["spec"]
    containers = [*spec["initContainers"], *spec["containers"]]
    (container,) = (one for one in spec["containers"] if one["name"] == product)
    several = {
        "volumes": [volume["name"] for volume in spec["volumes"]],
        "ports": [port["name"] for one in containers for port in one.get("ports", ())],
        "containers": [one["name"] for one in containers],
        "variables": [variable["name"] for variable in container["env"]],
        "mounts": [mount["mountPath"] for mount in container["volumeMounts"]],
    }
    assert {} == {what: [n for n, c in Counter(names).items() if c > 1] for what, names in several.items()
                  if len(names) != len(set(names))}  # fmt: skip
    # The variable is there once, by the chart itself; server.xml is what counts.
    assert 1 == several["variables"].count("ATL_TOMCAT_PORT")


@pytest.mark.parametrize("product", PRODUCTS)
def test_every_object_is_one_that_kubernetes_takes(charts: Path, tmp_path: Path, product: str) -> None:
    """From the version on that knows native sidecars as a matter of course."""
    found = rendered(charts, tmp_path, product, initialise=True)
    assert ("StatefulSet", f"prod-{product}") in found
    for item in found.values():
        kubernetes_validate.validate(item, "1.29", strict=True)


@pytest.mark.parametrize("product", PRODUCTS)
def test_secrets_are_there_by_reference_only(charts: Path, tmp_path: Path, product: str) -> None:
    """The charts write all values into a ConfigMap."""
    found = rendered(charts, tmp_path, product)
    shown = found["ConfigMap", f"prod-{product}-helm-values"]["data"]["values.yaml"]
    assert "lychgate-secret-okta-client" in shown and "client_secret" not in shown and "cookie_keys" not in shown
    spec = found["StatefulSet", f"prod-{product}"]["spec"]["template"]["spec"]
    secrets = {
        one["secret"]["secretName"] for one in spec["volumes"] if one.get("name", "").startswith("lychgate-secret")
    }
    assert {"gate", "okta-client"} == secrets
    gate = next(one for one in spec["initContainers"] if one["name"] == "lychgate")
    assert "env" not in gate and "envFrom" not in gate
