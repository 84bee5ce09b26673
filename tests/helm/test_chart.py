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
from sidecar.config.load import Loaded, load
from sidecar.config.settled import needing_restart
from sidecar.web.server import SHUTDOWN
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
OWN = [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "jira"}}}]
PEER = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}}}]

OIDC = {"type": "oidc", "header": None, "proof": None, "client_secret": "file:///run/secrets/jira-gate/landing"}

MATRIX: list[tuple[str, dict[str, Any], set[tuple[str, str]], set[tuple[str, str]]]] = [
    # what a site changes, what comes to the objects, what goes of them
    ("nothing", {}, set(), set()),
    ("an ingress", {"ingress": {"enabled": True}}, {("Ingress", "gate-lychgate")}, set()),
    ("a route", {"gatewayApi": {"enabled": True, "parentRefs": PARENT}}, {("HTTPRoute", "gate-lychgate")}, set()),
    ("a monitor", {"serviceMonitor": {"enabled": True}}, {("ServiceMonitor", "gate-lychgate")}, set()),
    ("a monitor of pods", {"podMonitor": {"enabled": True}}, {("PodMonitor", "gate-lychgate")}, set()),
    ("codes", {"config": {"applications": {"jira": {"landing": OIDC}}}}, {("Service", "gate-lychgate-landing")}, set()),
    ("a directory", {"config": {"applications": {"jira": {"accounts": {"directory": True}}}}},
     {("Service", "gate-lychgate-landing")}, set()),
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
    ("more than one on a file", {"replicaCount": 2}, "replicaCount: several replicas need a state that they share"),
    ("scaling on a file", {"autoscaling": {"enabled": True}}, "autoscaling.enabled: several replicas"),
    ("less grace than the gate takes", {"terminationGracePeriodSeconds": 40}, "terminationGracePeriodSeconds: 40"),
    (
        "less grace than a long drain",
        {"terminationGracePeriodSeconds": 60, "config": {"listen": {"drain": "30s"}}},
        "60",
    ),
    ("both monitors", {"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}}, "podMonitor.enabled"),
    ("a closed way to the application", {"networkPolicy": {"egress": {"enabled": True}}}, "upstreamTo"),
    ("a test without its image", {"tests": {"signIn": {"enabled": True}}}, "tests.signIn.image"),
    ("codes at another port", {"config": {"listen": {"landing": "0.0.0.0:9092"}}}, "listen"),
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


CHANGED: list[dict[str, Any]] = [
    {"sessions": {"idle": "8h"}},
    {"trusted_proxies": ["10.0.0.0/8"]},
    {"portals": {"staff": {"mode": "observe"}}},
    {"applications": {"jira": {"api": {"pat": "deny"}}}},
    {"applications": {"jira": {"encoded_slashes": ["/browse/"]}}},
    {"applications": {"jira": {"accounts": {"token": "file:///run/secrets/jira-gate/pat", "create": False}}}},
    {"applications": {"jira": {"upstream": "https://jira2.jira.svc:8443"}}},
    {"applications": {"jira": {"landing": {"audience": "jira"}}}},
    {"listen": {"drain": "20s"}},
    {"providers": {"okta": {"client_id": "another"}}},
    {"cookie_keys": ["file:///run/secrets/jira-gate/new", "file:///run/secrets/jira-gate/cookie-key"]},
    {"assertion_key": "file:///run/secrets/jira-gate/assertion-key"},
    {"audit": {"key": "file:///run/secrets/jira-gate/audit-key"}},
    {"audit": {"stdout": "text"}},
    {
        "providers": {
            "okta": {"client_secret": "file:///run/secrets/jira-gate/okta-2", "client_secret_ends": "2027-11-01"}
        }
    },
    {"applications": {"jira": {"landing": {"proof": "secret", "secret": "file:///run/secrets/jira-gate/proof"}}}},
]


@pytest.mark.parametrize("changes", CHANGED, ids=[str(changes)[:70] for changes in CHANGED])
def test_a_change_restarts_the_gate_exactly_if_the_gate_could_not_follow_it(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    """As `config/settled.py` has it; else a roll-out would be a gap for nothing, or a change would wait for ever."""

    def seen(config: dict[str, Any]) -> tuple[str, Loaded]:
        found = objects({"config": config})
        path = tmp_path / "lychgate.yaml"
        path.write_text(found["ConfigMap", "gate-lychgate"]["data"]["lychgate.yaml"], "utf-8")
        annotations = found["Deployment", "gate-lychgate"]["spec"]["template"]["metadata"]["annotations"]
        return annotations["checksum/config"], load(path, secrets=False)

    (mark, before), (changed, after) = seen({}), seen(changes)
    assert before.config != after.config
    assert bool(needing_restart(before, after)) == (mark != changed)


def test_a_change_of_usernames_restarts_the_gate_as_it_may_ask_for_other_claims() -> None:
    def mark(**username: Any) -> object:
        changes = {"config": {"applications": {"jira": {"username": username}}}}
        template = objects(changes)["Deployment", "gate-lychgate"]["spec"]["template"]
        return template["metadata"]["annotations"]["checksum/config"]

    assert mark() != mark(**{"from": ["email"]})


SHARED_OIDC = {
    "config": {"state": "postgresql://gate@db.example.com/lychgate", "applications": {"jira": {"landing": OIDC}}}
}
SHARED = {"config": {"state": "postgresql://gate@db.example.com/lychgate"}}


def test_several_replicas_only_on_a_database_and_only_they_have_a_budget() -> None:
    budget, scaler = ("PodDisruptionBudget", "gate-lychgate"), ("HorizontalPodAutoscaler", "gate-lychgate")
    one = objects(SHARED)
    several = objects({**SHARED, "replicaCount": 2})
    scaled = objects({**SHARED, "autoscaling": {"enabled": True}})
    assert budget not in one and budget in several and {budget, scaler} <= set(scaled)
    for found, count in ((one, 1), (several, 2), (scaled, None)):
        spec = found["Deployment", "gate-lychgate"]["spec"]
        assert count == spec.get("replicas")
        assert {"maxSurge": 1, "maxUnavailable": 0} == spec["strategy"]["rollingUpdate"]
        assert CLAIM not in found and "state" not in {volume["name"] for volume in pod(found)["volumes"]}
        assert (count != 1) == ("topologySpreadConstraints" in pod(found))
    landed = objects({**SHARED, "replicaCount": 2, **SHARED_OIDC})
    # A code is redeemed at whichever replica: the service leads to all of them.
    template = landed["Deployment", "gate-lychgate"]["spec"]["template"]["metadata"]["labels"]
    leads_to = landed["Service", "gate-lychgate-landing"]["spec"]["selector"]
    assert leads_to.items() <= template.items()
    assert leads_to == landed["Service", "gate-lychgate"]["spec"]["selector"]


def test_the_grace_is_longer_than_the_gate_takes_to_end() -> None:
    for drain, seconds in (("10s", 10), (7, 7), ("1m", 60), ("0s", 0)):
        grace = pod(objects({"config": {"listen": {"drain": drain}}}))["terminationGracePeriodSeconds"]
        assert grace > seconds + 2 * SHUTDOWN


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


TESTED = {"ledger": {"initialise": True}, "tests": {"signIn": {"enabled": True, "image": "r.example.com/trial:1"}}}


@pytest.mark.parametrize(
    ("kind", "name", "where"),
    [
        ("Deployment", "gate-lychgate", "containers"),
        ("Deployment", "gate-lychgate", "initContainers"),
        ("Pod", "gate-lychgate-test", "containers"),
        ("Pod", "gate-lychgate-test-sign-in", "containers"),
    ],
)
def test_the_pod_may_do_no_more_than_it_must(kind: str, name: str, where: str) -> None:
    """The restricted profile of the Pod Security Standards."""
    found = objects(TESTED)
    spec = pod(found) if kind == "Deployment" else found[kind, name]["spec"]
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
    policy = {"from": PEER, "landingFrom": OWN, "egress": {"enabled": True, "upstreamTo": OWN}}
    changes = {"networkPolicy": policy, "config": {"applications": {"jira": {"landing": OIDC}}}}
    spec = objects(changes)["NetworkPolicy", "gate-lychgate"]["spec"]
    assert [("http", PEER), ("operations", None), ("landing", OWN)] == [
        (rule["ports"][0]["port"], rule.get("from")) for rule in spec["ingress"]
    ]
    assert ["Ingress", "Egress"] == spec["policyTypes"]
    assert [([53, 53, 5353, 5353], None), (None, OWN), ([443], None)] == [
        ([port["port"] for port in rule["ports"]] if "ports" in rule else None, rule.get("to"))
        for rule in spec["egress"]
    ]
    assert ["Ingress"] == objects({})["NetworkPolicy", "gate-lychgate"]["spec"]["policyTypes"]


def test_the_gate_may_reach_every_address_that_its_configuration_names() -> None:
    password = "file:///run/secrets/jira-gate/crowd"
    crowd = {"url": "http://crowd.example.com/crowd", "application": "gate", "password": password}
    changes = {
        "networkPolicy": {"egress": {"enabled": True, "upstreamTo": OWN}},
        "config": {
            "providers": {"okta": {"issuer": "https://id.example.com:8443/realm"}},
            "applications": {"jira": {"accounts": {"crowd": crowd}}},
        },
    }
    *_, outside = objects(changes)["NetworkPolicy", "gate-lychgate"]["spec"]["egress"]
    assert {443, 8443, 80} == {port["port"] for port in outside["ports"]}


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
