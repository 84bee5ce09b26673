"""The gate inside the pod of Atlassian's own Helm charts: the values for those charts, and what must stand beside them.

From a configuration and nothing else. The gate takes the port that Service, Ingress and people use; Tomcat moves to
another one. Nothing secret stands in the values: those charts write all values into a ConfigMap.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from sidecar.config.faults import Finding, Severity
from sidecar.config.kept import secrets_in
from sidecar.config.model import Config

Values = dict[str, Any]

CONFIG = "/etc/lychgate"
SECRETS = PurePosixPath("/run/secrets")
FILES = PurePosixPath("/etc/lychgate-files")
_PREFIX = "lychgate"
_OBJECT = re.compile(r"[a-z0-9]([-a-z0-9]{0,46}[a-z0-9])?")
_USER = 10001
"""The user of the image."""


@dataclass(frozen=True, slots=True)
class Chart:
    """What is to be known of a chart.

    Attributes:
        key: Under which the product's values stand; also the name of its container.
        taken: Ports that the product has in the pod, with what they are.
        peers: Ports on which pods of the product speak to each other.
        grace: Seconds that the chart gives the product to end.
    """

    key: str
    taken: Mapping[int, str]
    peers: tuple[int, ...]
    grace: int = 30


CHARTS: Mapping[str, Chart] = {
    "jira": Chart("jira", {8005: "Tomcat's shutdown", 40001: "Ehcache", 40011: "Ehcache"}, (40001, 40011)),
    "confluence": Chart(
        "confluence",
        {8000: "Tomcat's shutdown", 8091: "Synchrony", 5701: "Hazelcast", 25500: "Synchrony's cluster"},
        (5701, 8091, 25500),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """What the values say beyond the configuration.

    Attributes:
        product: Whose chart.
        image: Of the gate, with its tag or digest.
        config_map: Holds `lychgate.yaml`.
        claim: The PersistentVolumeClaim of the state.
        initialise: Whether the empty ledger is declared to be the right one: for the very first start.
    """

    product: str
    image: str
    config_map: str = "lychgate-config"
    claim: str = "lychgate-state"
    initialise: bool = False


def findings(config: Config, pod: Pod) -> Iterator[Finding]:
    """What keeps this configuration from being the one in the pod, and what has to be seen to."""
    chart = CHARTS[pod.product]
    for name, application in config.applications.items():
        if application.product != pod.product:
            yield Finding(
                ("applications", name, "product"),
                f"is in front of {application.product}, and this pod is a {pod.product}",
                "leave it to a gate of its own",
            )
    if len(config.applications) != 1:
        yield Finding(("applications",), "are several, and the pod holds one", "give each a gate in its own pod")
        return
    ((name, application),) = config.applications.items()
    if application.upstream.several:
        yield Finding(("applications", name, "upstream"), "has several nodes, and a pod holds one", "name that one")
    yield from _upstream(("applications", name, "upstream"), application.upstream.url, config, chart)
    yield from _listening(config, chart)
    if not config.state.lasts:
        yield Finding(("state",), "is memory: every restart would sign everybody out", "write file:///var/lib/lychgate")
    yield from _places(config)


def _upstream(path: tuple[str, ...], url: str, config: Config, chart: Chart) -> Iterator[Finding]:
    parts = urlsplit(url)
    cure = f"write http://127.0.0.1:{_free(config, chart)}: in the pod Tomcat is next door"
    if parts.scheme != "http" or not _is_loopback(parts.hostname or ""):
        yield Finding(path, "is not on loopback", cure)
        return
    port = parts.port or 80
    if port in {_port(config.listen.public), _port(config.listen.operations), _port(config.listen.landing)}:
        yield Finding(path, f"names port {port}, on which the gate itself listens", cure)
    elif port in chart.taken:
        yield Finding(path, f"names port {port}, which is {chart.taken[port]}", cure)


def _listening(config: Config, chart: Chart) -> Iterator[Finding]:
    for field in ("public", "operations", "landing"):
        path, address = ("listen", field), getattr(config.listen, field)
        host, port = address.rpartition(":")[0].strip("[]"), _port(address)
        # The product is next door, and nobody else need redeem codes.
        if field != "landing" and _is_loopback(host):
            yield Finding(path, "is loopback: nothing outside the pod would reach it", f"write 0.0.0.0:{port}")
        if port in chart.taken:
            yield Finding(path, f"names port {port}, which is {chart.taken[port]}", "choose another port")
        if port < 1024:
            yield Finding(path, f"port {port} is for root alone", "choose a port from 1024 on")


def _places(config: Config) -> Iterator[Finding]:
    for path, secret, _ in secrets_in(config):
        if secret.kind == "env":
            yield Finding(
                path, f"{secret} is an environment variable", f"name a mounted Secret: file://{SECRETS}/<secret>/<key>"
            )
        elif _mounted(secret.place, SECRETS) is None:
            yield Finding(path, f"{secret} is not in a Secret", f"name it as file://{SECRETS}/<secret>/<key>")
    for path, file in _files(config):
        if _mounted(file, FILES) is None and _mounted(file, SECRETS) is None:
            yield Finding(
                path,
                f"{file} will not be in the pod by these values",
                f"put it into a ConfigMap and name it {FILES}/<config map>/<key>",
                Severity.WARNING,
            )
    for path, file in _written(config):
        if config.state.directory is None or not PurePosixPath(file).is_relative_to(config.state.directory):
            yield Finding(
                path,
                f"{file} is on the image's own file system, which cannot be written",
                "name a file below the folder of state, or leave it to audit.stdout and the cluster's own logs",
            )


def values(config: Config, pod: Pod) -> Values:
    """The values for Atlassian's chart; *config* has no `findings` that are errors."""
    chart = CHARTS[pod.product]
    ((_, application),) = config.applications.items()
    public, operations = _port(config.listen.public), _port(config.listen.operations)
    url = urlsplit(application.url)
    tomcat = urlsplit(application.upstream.url).port or 80
    probe = {"httpGet": {"path": "/upstream-status", "port": operations}, "periodSeconds": 5, "failureThreshold": 60}
    product: Values = {
        # The name `http` and this port stay what Service, Ingress and people use: they lead to the gate now.
        "ports": {"http": public},
        # By server.xml and not by ATL_TOMCAT_PORT: the chart sets that variable itself, and it would stand there twice.
        "tomcatConfig": {"generateByHelm": True, "port": str(tomcat)},
        "readinessProbe": {"enabled": True, "customProbe": probe},
        "shutdown": {"terminationGracePeriodSeconds": chart.grace + int(config.listen.drain) + 30},
    }
    if context := url.path.strip("/"):
        product["service"] = {"contextPath": f"/{context}"}
    return {
        # The state is a file that one process holds. With several nodes the gate stands in front, in pods of its own.
        "replicaCount": 1,
        chart.key: product,
        "ingress": {"host": url.hostname, "https": url.scheme == "https"},
        "additionalInitContainers": [*_initialising(config, pod), _gate(config, pod)],
        "volumes": {"additional": _volumes(config, pod)},
    }


def _gate(config: Config, pod: Pod) -> Values:
    """A native sidecar: it is up before the product and ends after it."""
    operations = _port(config.listen.operations)
    return {
        **_container("lychgate", ["serve"], config, pod),
        "restartPolicy": "Always",
        "ports": [{"name": "lychgate-ops", "containerPort": operations}],
        # "Up" is all that the product's start waits for: neither probe asks the product, the provider or the state.
        "startupProbe": _probe("/readyz", operations, every=2, failures=60),
        "readinessProbe": _probe("/readyz", operations, every=2, failures=1),
        "livenessProbe": _probe("/healthz", operations, every=10, failures=6),
        "resources": {"requests": {"cpu": "250m", "memory": "256Mi"}, "limits": {"memory": "512Mi"}},
    }


def _initialising(config: Config, pod: Pod) -> list[Values]:
    return [_container("lychgate-ledger-init", ["ledger", "init"], config, pod)] if pod.initialise else []


def _container(name: str, command: list[str], config: Config, pod: Pod) -> Values:
    return {
        "name": name,
        "image": pod.image,
        "args": [*command, "-c", f"{CONFIG}/lychgate.yaml"],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": _mounts(config),
    }


def _probe(path: str, port: int, *, every: int, failures: int) -> Values:
    return {"httpGet": {"path": path, "port": port}, "periodSeconds": every, "failureThreshold": failures}


def _mounts(config: Config) -> list[Values]:
    """Folders, never single files: a changed Secret reaches a folder."""
    state = config.state.directory
    return [
        {"name": f"{_PREFIX}-config", "mountPath": CONFIG, "readOnly": True},
        *([{"name": f"{_PREFIX}-state", "mountPath": str(state)}] if state is not None else ()),
        {"name": f"{_PREFIX}-tmp", "mountPath": "/tmp"},  # noqa: S108 - a folder of the pod's own
        *(
            {"name": _named("secret", name), "mountPath": str(SECRETS / name), "readOnly": True}
            for name in secret_names(config)
        ),
        *(
            {"name": _named("files", name), "mountPath": str(FILES / name), "readOnly": True}
            for name in _config_maps(config)
        ),
    ]


def _volumes(config: Config, pod: Pod) -> list[Values]:
    state = {"name": f"{_PREFIX}-state", "persistentVolumeClaim": {"claimName": pod.claim}}
    return [
        {"name": f"{_PREFIX}-config", "configMap": {"name": pod.config_map}},
        *([state] if config.state.directory is not None else ()),
        {"name": f"{_PREFIX}-tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
        # 288 is 0440: for the group of the pod alone (fsGroup).
        *(
            {"name": _named("secret", name), "secret": {"secretName": name, "defaultMode": 288}}
            for name in secret_names(config)
        ),
        *({"name": _named("files", name), "configMap": {"name": name}} for name in _config_maps(config)),
    ]


def beside(config: Config, pod: Pod, release: str, text: str) -> tuple[Values, ...]:
    """What Atlassian's charts cannot make: the configuration as a ConfigMap, the claim where the state is a file, and
    the closed ways around."""
    chart = CHARTS[pod.product]
    public, operations = _port(config.listen.public), _port(config.listen.operations)
    labels = {"app.kubernetes.io/name": chart.key, "app.kubernetes.io/instance": release}
    claim: Values = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": pod.claim},
        "spec": {"accessModes": ["ReadWriteOncePod"], "resources": {"requests": {"storage": "2Gi"}}},
    }
    return (
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": pod.config_map},
            "data": {"lychgate.yaml": text},
        },
        *([claim] if config.state.directory is not None else ()),
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": f"{release}-through-lychgate"},
            "spec": {
                "podSelector": {"matchLabels": labels},
                "policyTypes": ["Ingress"],
                # Tomcat's own port is not among them: the only way to it is the gate.
                "ingress": [
                    {"ports": [{"protocol": "TCP", "port": public}, {"protocol": "TCP", "port": operations}]},
                    {
                        "from": [{"podSelector": {"matchLabels": labels}}],
                        "ports": [{"protocol": "TCP", "port": port} for port in chart.peers],
                    },
                ],
            },
        },
    )


def secret_names(config: Config) -> tuple[str, ...]:
    """The Secrets that the configuration reads from, each once."""
    places = [secret.place for _, secret, _ in secrets_in(config) if secret.kind == "file"]
    places.extend(file for _, file in _files(config))
    found = {_mounted(place, SECRETS) for place in places}
    return tuple(sorted(name for name in found if name is not None))


def _config_maps(config: Config) -> tuple[str, ...]:
    return tuple(sorted({name for _, file in _files(config) if (name := _mounted(file, FILES)) is not None}))


def _files(config: Config) -> Iterator[tuple[tuple[str, ...], str]]:
    """The files that are read beside the secrets, each with the key that names it."""
    named: list[tuple[tuple[str, ...], str | None]] = [
        (("listen", "landing_certificate"), config.listen.landing_certificate),
        (("postgresql", "ca"), config.postgresql.ca),
    ]
    for name, application in config.applications.items():
        at, way, crowd = ("applications", name), application.upstream, application.accounts.crowd
        named.append(((*at, "upstream", "ca"), way.ca))
        named.append(((*at, "upstream", "client_certificate"), way.client_certificate))
        named.append(((*at, "accounts", "crowd", "ca"), crowd.ca if crowd is not None else None))
    yield from ((path, file) for path, file in named if file is not None)


def _written(config: Config) -> Iterator[tuple[tuple[str, ...], str]]:
    """The files that are written."""
    file = config.audit.file
    if file is not None:
        yield ("audit", "file"), file.path
        if file.checkpoints is not None:
            yield ("audit", "file", "checkpoints"), file.checkpoints


def _mounted(file: str, below: PurePosixPath) -> str | None:
    """The folder's name, which is the object's, if *file* lies as `<below>/<name>/<key>`."""
    path = PurePosixPath(file)
    name = path.parent.name
    return name if path.parent.parent == below and _OBJECT.fullmatch(name) else None


def _named(kind: str, name: str) -> str:
    return f"{_PREFIX}-{kind}-{name}"[:63].rstrip("-")


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])


def _free(config: Config, chart: Chart) -> int:
    listen = config.listen
    taken = {_port(listen.public), _port(listen.operations), _port(listen.landing), *chart.taken}
    return next(port for port in range(_port(config.listen.public) + 1, 65_536) if port not in taken)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
