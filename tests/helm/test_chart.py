"""The Helm chart, rendered by Helm's own engine: what a site writes becomes a gate that would run, or is refused."""

from __future__ import annotations

import json
import re
import secrets
from pathlib import Path
from typing import Any

import pytest
import yaml
from helm_python import HelmError, lint

from sidecar import __version__
from sidecar.config.chart import values_schema
from sidecar.config.load import load
from tests.helm.rendering import CHART, DOCS, SITE, objects, pod, texts

ALWAYS = {
    ("ConfigMap", "gate-lychgate"),
    ("Deployment", "gate-lychgate"),
    ("NetworkPolicy", "gate-lychgate"),
    ("PersistentVolumeClaim", "gate-lychgate-state"),
    ("Pod", "gate-lychgate-test"),
    ("Service", "gate-lychgate"),
    ("Service", "gate-lychgate-operations"),
    ("ServiceAccount", "gate-lychgate"),
}
CLAIM = ("PersistentVolumeClaim", "gate-lychgate-state")
MORE = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-more"}}
PARENT = [{"name": "public", "namespace": "gateways"}]
PEER = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}}}]

MATRIX: list[tuple[str, dict[str, Any], set[tuple[str, str]], set[tuple[str, str]]]] = [
    # what a site changes, what comes to the objects, what goes of them
    ("nothing", {}, set(), set()),
    ("an ingress", {"ingress": {"enabled": True}}, {("Ingress", "gate-lychgate")}, set()),
    ("a route", {"gatewayApi": {"enabled": True, "parentRefs": PARENT}}, {("HTTPRoute", "gate-lychgate")}, set()),
    ("a monitor", {"serviceMonitor": {"enabled": True}}, {("ServiceMonitor", "gate-lychgate")}, set()),
    ("alerts", {"prometheusRule": {"enabled": True}}, {("PrometheusRule", "gate-lychgate")}, set()),
    ("boards", {"dashboards": {"enabled": True}},
     {("ConfigMap", f"gate-lychgate-board-{board}") for board in ("service", "security")}, set()),
    ("no policy", {"networkPolicy": {"enabled": False}}, set(), {("NetworkPolicy", "gate-lychgate")}),
    ("a claim of its own", {"persistence": {"existingClaim": "kept"}}, set(), {CLAIM}),
    ("no persistence", {"persistence": {"enabled": False}}, set(), {CLAIM}),
    ("no account of its own", {"serviceAccount": {"create": False}}, set(), {("ServiceAccount", "gate-lychgate")}),
    ("more objects", {"extraObjects": [MORE]}, {("ConfigMap", "gate-more")}, set()),
]  # fmt: skip

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("an unknown key", {"ingres": {}}, "ingres"),
    ("an unknown key further in", {"image": {"tagg": "1"}}, "tagg"),
    ("an unknown key of the configuration", {"config": {"portals": {"staff": {"mod": "off"}}}}, "mod"),
    ("a word that is none", {"config": {"portals": {"staff": {"mode": "on"}}}}, "mode"),
    ("no portals", {"config": {"portals": None}}, "portals"),
    ("more than one", {"replicaCount": 2}, "replicaCount"),
    ("another port than the services name", {"config": {"listen": {"public": "0.0.0.0:8000"}}}, "listen"),
    ("state where no volume is", {"config": {"state": "file:///data"}}, "state"),
    ("a volume for many", {"persistence": {"accessModes": ["ReadWriteMany"]}}, "accessModes"),
    ("a digest that is none", {"image": {"digest": "latest"}}, "digest"),
    ("a secret that no cluster can have", {"secrets": ["Jira_Gate"]}, "secrets"),
    ("a route that belongs nowhere", {"gatewayApi": {"enabled": True}}, "gatewayApi.parentRefs"),
]


def test_the_schema_in_the_chart_is_the_one_of_the_program() -> None:
    """`make docs` writes it."""
    assert values_schema() == json.loads((CHART / "values.schema.json").read_text("utf-8"))


def test_the_chart_is_of_the_program_s_version() -> None:
    about = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert __version__ == about["appVersion"]


def test_helm_finds_nothing_to_blame() -> None:
    told = lint(CHART, values=SITE, strict=True)
    assert (1, []) == (told["total_charts_linted"], told["errors"])
    assert ["icon is recommended"] == [message["error"] for message in told["messages"]]


@pytest.mark.parametrize(("changes", "more", "less"), [row[1:] for row in MATRIX], ids=[row[0] for row in MATRIX])
def test_the_objects_of_a_release(
    changes: dict[str, Any], more: set[tuple[str, str]], less: set[tuple[str, str]]
) -> None:
    assert (ALWAYS | more) - less == set(objects(changes))


@pytest.mark.parametrize(("changes", "word"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_values_that_are_refused(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(HelmError, match=word):
        texts(changes)


def test_a_chart_without_a_site_s_configuration_says_what_is_missing() -> None:
    with pytest.raises(HelmError, match="providers"):
        texts({"config": {"providers": None}})


def test_the_configuration_in_the_release_is_one_that_the_program_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("COOKIE", "OKTA"):
        monkeypatch.setenv(name, secrets.token_urlsafe(48))
    changes = {"config": {"cookie_keys": ["env://COOKIE"], "providers": {"okta": {"client_secret": "env://OKTA"}}}}
    path = tmp_path / "lychgate.yaml"
    path.write_text(objects(changes)["ConfigMap", "gate-lychgate"]["data"]["lychgate.yaml"], "utf-8")

    loaded = load(path)

    assert ("0.0.0.0:8080", 10) == (loaded.config.listen.public, loaded.config.listen.drain)
    assert {"jira"} == set(loaded.policy.applications)


def test_a_changed_configuration_restarts_the_gate() -> None:
    def mark(changes: dict[str, Any]) -> str:
        template = objects(changes)["Deployment", "gate-lychgate"]["spec"]["template"]
        return str(template["metadata"]["annotations"]["checksum/config"])

    assert mark({}) == mark({"service": {"port": 81}})
    assert mark({}) != mark({"config": {"sessions": {"idle": "8h"}}})


def test_there_is_never_a_second_process_on_the_state() -> None:
    spec = objects({})["Deployment", "gate-lychgate"]["spec"]
    assert (1, {"type": "Recreate"}) == (spec["replicas"], spec["strategy"])
    claim = objects({})["PersistentVolumeClaim", "gate-lychgate-state"]
    assert "keep" == claim["metadata"]["annotations"]["helm.sh/resource-policy"]


def test_what_is_mounted_is_mounted_as_folders_and_exists_as_a_volume() -> None:
    changes = {"secrets": ["jira-gate", "pat"], "configMaps": ["authority"], "ledger": {"initialise": True}}
    spec = pod(objects(changes))
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    for container in [*spec["containers"], *spec["initContainers"]]:
        mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
        assert set(volumes) == set(mounts)
        assert not any("subPath" in mount for mount in mounts.values())
        assert "/run/secrets/pat" == mounts["secret-pat"]["mountPath"]
        assert "/etc/lychgate-files/authority" == mounts["files-authority"]["mountPath"]
    assert {"secretName": "pat", "defaultMode": 0o440} == volumes["secret-pat"]["secret"]
    assert "Secret" not in {kind for kind, _ in objects(changes)}


@pytest.mark.parametrize("where", ["containers", "initContainers"])
def test_the_pod_may_do_no_more_than_it_must(where: str) -> None:
    """The restricted profile of the Pod Security Standards."""
    spec = pod(objects({"ledger": {"initialise": True}}))
    (container,) = spec[where]
    assert {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}} == (
        container["securityContext"]
    )
    security = spec["securityContext"]
    assert (True, {"type": "RuntimeDefault"}) == (security["runAsNonRoot"], security["seccompProfile"])
    assert (False, False) == (spec["automountServiceAccountToken"], spec["enableServiceLinks"])


def test_probes_ask_the_gate_alone_and_ports_have_names() -> None:
    (container,) = pod(objects({}))["containers"]
    assert {"http": 8080, "operations": 9090} == {port["name"]: port["containerPort"] for port in container["ports"]}
    asked = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("liveness", "readiness", "startup")}
    assert {"/healthz": "operations", "/readyz": "operations"} == {
        probe["path"]: probe["port"] for probe in asked.values()
    }


def test_the_ledger_is_declared_only_when_somebody_says_so() -> None:
    assert "initContainers" not in pod(objects({}))
    (init,) = pod(objects({"ledger": {"initialise": True}}))["initContainers"]
    assert ["ledger", "init", "-c", "/etc/lychgate/lychgate.yaml"] == init["args"]


def test_the_hosts_of_an_ingress_are_those_of_the_applications() -> None:
    more = {
        "wiki": {**SITE["config"]["applications"]["jira"], "product": "confluence", "url": "https://wiki.example.com"}
    }
    portals = {"readers": {"application": "wiki", "default": True, "provider": "okta"}}
    changes = {"ingress": {"enabled": True}, "config": {"applications": more, "portals": portals}}
    rules = objects(changes)["Ingress", "gate-lychgate"]["spec"]["rules"]
    assert ["jira.example.com", "wiki.example.com"] == [rule["host"] for rule in rules]
    route = objects({"gatewayApi": {"enabled": True, "parentRefs": PARENT, "hostnames": ["j.example.com"]}})
    assert ["j.example.com"] == route["HTTPRoute", "gate-lychgate"]["spec"]["hostnames"]


def test_who_may_reach_what() -> None:
    changes = {"networkPolicy": {"from": PEER, "egress": [{"to": PEER}]}}
    spec = objects(changes)["NetworkPolicy", "gate-lychgate"]["spec"]
    assert [("http", PEER), ("operations", None)] == [
        (rule["ports"][0]["port"], rule.get("from")) for rule in spec["ingress"]
    ]
    assert (["Ingress", "Egress"], [{"to": PEER}]) == (spec["policyTypes"], spec["egress"])
    assert ["Ingress"] == objects({})["NetworkPolicy", "gate-lychgate"]["spec"]["policyTypes"]


def test_names_stay_within_what_kubernetes_takes() -> None:
    found = objects({"fullnameOverride": "x" * 80})
    assert max(len(name) for _, name in found) <= 63
    service = objects({}, name="lychgate")
    assert ("Service", "lychgate-operations") in service


def test_every_value_of_the_file_is_in_the_schema() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    known = values_schema()["properties"]
    assert set(values) | {"global"} == set(known)
    for key, value in values.items():
        if isinstance(value, dict) and "properties" in known[key]:
            assert set(value) == set(known[key]["properties"]), key


def test_a_digest_takes_the_place_of_the_tag() -> None:
    digest = "sha256:" + "0" * 64
    (container,) = pod(objects({"image": {"repository": "r.example.com/gate", "tag": "7", "digest": digest}}))[
        "containers"
    ]
    assert f"r.example.com/gate@{digest}" == container["image"]


def test_the_values_that_the_docs_show_make_a_release() -> None:
    (shown,) = re.findall(r"^```yaml\n(.*?)^```$", DOCS.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    values = yaml.safe_load(shown)
    found = objects(values)
    assert ("Ingress", "gate-lychgate") in found
    assert "/run/secrets/jira-gate" in {mount["mountPath"] for mount in pod(found)["containers"][0]["volumeMounts"]}
