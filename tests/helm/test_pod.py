"""`lychgate helm-values`: the gate inside the pod of Atlassian's own charts, or a fault that says what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from sidecar.cli import main
from sidecar.config.load import load
from sidecar.config.pod import CHARTS, Pod, beside, findings, values
from tests.helm.pod_site import IMAGE, PORTS, read, written

PRODUCTS = sorted(CHARTS)
WAY = ("applications", "jira", "upstream")


def upstream(url: str) -> dict[str, Any]:
    return {"applications": {"jira": {"upstream": url}}}


FAULTS: list[tuple[str, dict[str, Any], tuple[str | int, ...], str]] = [
    ("Tomcat elsewhere", upstream("https://jira.jira.svc:8443"), WAY, "127.0.0.1"),
    ("Tomcat by https", upstream("https://127.0.0.1:8443"), WAY, "127.0.0.1"),
    ("Tomcat where the gate is", upstream("http://127.0.0.1:8080"), WAY, ":8081"),
    ("Tomcat where the probes are", upstream("http://localhost:9090"), WAY, ":8081"),
    ("Tomcat on its shutdown port", upstream("http://[::1]:8005"), WAY, ":8081"),
    ("the gate on loopback", {"listen": {"public": "127.0.0.1:8080"}}, ("listen", "public"), "0.0.0.0:8080"),
    ("the probes on loopback", {"listen": {"operations": "[::1]:9090"}}, ("listen", "operations"), "0.0.0.0:9090"),
    ("the gate on Ehcache's port", {"listen": {"public": "0.0.0.0:40001"}}, ("listen", "public"), "another port"),
    ("codes on Ehcache's port", {"listen": {"landing": "127.0.0.1:40011"}}, ("listen", "landing"), "another port"),
    ("Tomcat where codes are redeemed", {"listen": {"landing": "127.0.0.1:8081"}}, WAY, ":8082"),
    ("a port for root", {"listen": {"public": "0.0.0.0:80"}}, ("listen", "public"), "1024"),
    ("no state", {"state": "memory"}, ("state",), "file:///"),
    ("a secret in the environment", {"cookie_keys": ["env://KEY"]}, ("cookie_keys", 0), "/run/secrets/"),
    ("a secret elsewhere", {"cookie_keys": ["file:///etc/keys/cookie"]}, ("cookie_keys", 0), "/run/secrets/"),
    ("a secret deeper", {"cookie_keys": ["file:///run/secrets/a/b/c"]}, ("cookie_keys", 0), "/run/secrets/"),
    ("a trail on the image", {"audit": {"file": "/var/log/audit.jsonl"}}, ("audit", "file"), "below the folder"),
    ("no name for a Secret", {"cookie_keys": ["file:///run/secrets/My_Key/c"]}, ("cookie_keys", 0), "/run/secrets/"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "path", "cure"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
def test_what_cannot_be_in_a_pod_is_said_with_its_cure(
    tmp_path: Path, changes: dict[str, Any], path: tuple[str | int, ...], cure: str
) -> None:
    (found,) = findings(read(tmp_path, "jira", changes).config, Pod(product="jira", image=IMAGE))
    assert path == found.path
    assert cure in found.cure


@pytest.mark.parametrize("product", PRODUCTS)
def test_the_ordinary_site_has_no_fault(tmp_path: Path, product: str) -> None:
    assert [] == list(findings(read(tmp_path, product).config, Pod(product=product, image=IMAGE)))


def test_another_product_and_several_applications_are_refused(tmp_path: Path) -> None:
    site = read(tmp_path, "jira").config
    assert [("applications", "jira", "product")] == [
        found.path for found in findings(site, Pod(product="confluence", image=IMAGE)) if "in front of" in found.wrong
    ]
    second = {
        "applications": {
            "wiki": {
                "product": "confluence",
                "url": "https://wiki.example.com",
                "upstream": "http://127.0.0.1:8092",
                "landing": {"header": "X-Lychgate-User", "proof": "assertion"},
            }
        },
        "portals": {"wiki": {"application": "wiki", "default": True, "provider": "okta"}},
    }
    told = [found.wrong for found in findings(read(tmp_path, "jira", second).config, Pod(product="jira", image=IMAGE))]
    assert ["is in front of confluence, and this pod is a jira", "are several, and the pod holds one"] == told


def test_synchrony_keeps_its_port(tmp_path: Path) -> None:
    site = read(tmp_path, "confluence", {"applications": {"confluence": {"upstream": "http://127.0.0.1:8091"}}})
    (found,) = findings(site.config, Pod(product="confluence", image=IMAGE))
    assert "Synchrony" in found.wrong and "8092" in found.cure


def test_a_file_that_is_not_mounted_is_warned_of_and_one_that_is_gets_its_volume(tmp_path: Path) -> None:
    for ca, told in (("/etc/ssl/own.pem", 1), ("/etc/lychgate-files/authority/ca.pem", 0)):
        way = {"url": "https://127.0.0.1:8443", "ca": ca}
        site = read(tmp_path, "jira", {"applications": {"jira": {"upstream": way}}}).config
        faults = [found for found in findings(site, Pod(product="jira", image=IMAGE)) if ca in found.wrong]
        assert told == len(faults)
    volumes = values(site, Pod(product="jira", image=IMAGE))["volumes"]["additional"]
    assert {"name": "lychgate-files-authority", "configMap": {"name": "authority"}} in volumes


def test_with_a_database_there_is_no_volume_and_its_files_are_mounted(tmp_path: Path) -> None:
    database = {
        "state": "postgresql://gate@db.example.com/lychgate",
        "postgresql": {"password": "file:///run/secrets/database/password", "ca": "/run/secrets/authority/ca.crt"},
        "applications": {"jira": {"accounts": {"crowd": {
            "url": "https://crowd.example.com", "application": "gate", "password": "file:///run/secrets/crowd/password",
            "ca": "/etc/lychgate-files/own/ca.pem",
        }}}},
    }  # fmt: skip
    site, pod = read(tmp_path, "jira", database).config, Pod(product="jira", image=IMAGE)
    assert [] == list(findings(site, pod))
    (gate,) = values(site, pod)["additionalInitContainers"]
    mounted = {mount["name"]: mount["mountPath"] for mount in gate["volumeMounts"]}
    assert set(mounted) == {volume["name"] for volume in values(site, pod)["volumes"]["additional"]}
    assert {
        "lychgate-config", "lychgate-tmp", "lychgate-files-own",
        *(f"lychgate-secret-{name}" for name in ("authority", "crowd", "database", "gate", "okta-client")),
    } == set(mounted)  # fmt: skip
    assert ["ConfigMap", "NetworkPolicy"] == [one["kind"] for one in beside(site, pod, "prod", "")]


def test_a_changed_rule_changes_no_value_so_that_jira_is_not_restarted(tmp_path: Path) -> None:
    """The charts restart the product for every change of the pod, and know no checksum of ours."""
    pod = Pod(product="jira", image=IMAGE)
    changed = {"portals": {"staff": {"mode": "observe"}}, "sessions": {"idle": "8h"}}
    assert values(read(tmp_path, "jira").config, pod) == values(read(tmp_path, "jira", changed).config, pod)


@pytest.mark.parametrize("product", PRODUCTS)
def test_the_gate_takes_the_port_and_tomcat_moves(tmp_path: Path, product: str) -> None:
    made = values(read(tmp_path, product).config, Pod(product=product, image=IMAGE))
    public, tomcat = PORTS[product]
    own = made[product]
    assert {"http": public} == own["ports"]
    assert {"generateByHelm": True, "port": str(tomcat)} == own["tomcatConfig"]
    assert {"contextPath": f"/{product}"} == own["service"]
    assert {"path": "/upstream-status", "port": 9090} == own["readinessProbe"]["customProbe"]["httpGet"]
    # The product's own 30 s, the gate's drain, and time for what is in flight.
    assert 70 == own["shutdown"]["terminationGracePeriodSeconds"]
    assert 1 == made["replicaCount"]
    assert {"host": f"{product}.example.com", "https": True} == made["ingress"]
    (gate,) = made["additionalInitContainers"]
    assert ("Always", ["serve", "-c", "/etc/lychgate/lychgate.yaml"]) == (gate["restartPolicy"], gate["args"])


def test_the_ledger_is_declared_only_when_asked_and_before_the_gate_starts(tmp_path: Path) -> None:
    made = values(read(tmp_path, "jira").config, Pod(product="jira", image=IMAGE, initialise=True))
    first, gate = made["additionalInitContainers"]
    assert ["ledger", "init", "-c", "/etc/lychgate/lychgate.yaml"] == first["args"]
    assert "restartPolicy" not in first and gate["volumeMounts"] == first["volumeMounts"]


def test_every_mount_has_its_volume_and_none_is_a_single_file(tmp_path: Path) -> None:
    made = values(read(tmp_path, "jira").config, Pod(product="jira", image=IMAGE))
    (gate,) = made["additionalInitContainers"]
    names = [volume["name"] for volume in made["volumes"]["additional"]]
    assert names == [mount["name"] for mount in gate["volumeMounts"]] and len(names) == len(set(names))
    assert not any("subPath" in mount for mount in gate["volumeMounts"])
    secrets = {volume["secret"]["secretName"] for volume in made["volumes"]["additional"] if "secret" in volume}
    assert {"gate", "okta-client"} == secrets


@pytest.mark.parametrize("product", PRODUCTS)
def test_what_stands_beside_closes_the_way_around(tmp_path: Path, product: str) -> None:
    config_map, claim, policy = beside(
        read(tmp_path, product).config, Pod(product=product, image=IMAGE), "prod", "version: 1\n"
    )
    assert {"lychgate.yaml": "version: 1\n"} == config_map["data"]
    assert "lychgate-state" == claim["metadata"]["name"]
    everybody, peers = policy["spec"]["ingress"]
    assert "from" not in everybody
    assert [PORTS[product][0], 9090] == [port["port"] for port in everybody["ports"]]
    assert [{"podSelector": policy["spec"]["podSelector"]}] == peers["from"]
    open_ports = {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}
    assert PORTS[product][1] not in open_ports


def test_the_command_prints_values_that_come_back_the_same(tmp_path: Path) -> None:
    file = written(tmp_path, "jira")
    result = CliRunner().invoke(main, ["helm-values", "-c", str(file), "--product", "jira", "--image", IMAGE])
    assert 0 == result.exit_code, result.output
    assert values(load(file, secrets=False).config, Pod(product="jira", image=IMAGE)) == yaml.safe_load(result.stdout)
    assert "# Secrets that must be there: gate, okta-client" in result.stdout

    result = CliRunner().invoke(
        main, ["helm-values", "-c", str(file), "--product", "jira", "--objects", "--release", "r"]
    )
    assert 0 == result.exit_code, result.output
    config_map, _, policy = yaml.safe_load_all(result.stdout)
    assert file.read_text("utf-8") == config_map["data"]["lychgate.yaml"]
    assert "r-through-lychgate" == policy["metadata"]["name"]


def test_the_command_refuses_with_the_line_and_prints_nothing_to_apply(tmp_path: Path) -> None:
    file = written(tmp_path, "jira", upstream("https://jira:8443"))
    result = CliRunner().invoke(main, ["helm-values", "-c", str(file), "--product", "jira"])
    assert (1, "") == (result.exit_code, result.stdout)
    assert "applications.jira.upstream" in result.stderr and f"{file}:" in result.stderr
    for words in (["--objects"], ["--release", "r"]):
        assert 2 == CliRunner().invoke(main, ["helm-values", "-c", str(file), "--product", "jira", *words]).exit_code
