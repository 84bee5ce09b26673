"""The JSON Schema of the Helm chart's values, with the configuration file's own inside.

`make docs` writes what `python -m sidecar.config.chart` prints to helm/lychgate/values.schema.json; a test compares.
Unknown keys are refused: a typing error is found by `helm template`, and not by a pod that does not start.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from sidecar.config.schema import json_schema

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
ANY: Schema = {"type": "object"}
LABELS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
PORT: Schema = {"type": "integer", "minimum": 1, "maximum": 65_535}
NAME: Schema = {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]{0,46}[a-z0-9])?$"}
OBJECTS: Schema = {"type": "array", "items": {"type": "object"}}
NAMES: Schema = {"type": "array", "items": NAME, "uniqueItems": True}
HOSTS: Schema = {"type": "array", "items": {"type": "string", "minLength": 1}}


def _keys(**properties: Schema) -> Schema:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def values_schema() -> Schema:
    """The schema (JSON Schema draft 2020-12) of values.yaml."""
    config = json_schema()
    definitions = config.pop("$defs")
    dialect = config.pop("$schema")
    return {
        "$schema": dialect,
        "title": "Values of the chart lychgate",
        **_keys(
            # Helm adds it for every chart that is a part of another one.
            **{"global": ANY},
            image=_keys(
                repository={"type": "string", "minLength": 1},
                tag=TEXT,
                digest={"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
                pullPolicy={"enum": ["Always", "IfNotPresent", "Never"]},
            ),
            imagePullSecrets=OBJECTS,
            nameOverride=TEXT,
            fullnameOverride=TEXT,
            commonLabels=LABELS,
            config=_in_a_pod(config),
            secrets=NAMES,
            configMaps=NAMES,
            ledger=_keys(initialise=FLAG),
            persistence=_keys(
                enabled=FLAG,
                existingClaim=TEXT,
                storageClass=TEXT,
                accessModes={"type": "array", "items": {"enum": ["ReadWriteOncePod", "ReadWriteOnce"]}, "minItems": 1},
                size=TEXT,
                annotations=LABELS,
            ),
            **_scale(),
            **_network(),
            **_pod(),
            tests=_keys(signIn=_keys(enabled=FLAG, image=TEXT)),
        ),
        "required": ["config"],
        "$defs": definitions,
    }


def _in_a_pod(config: Schema) -> Schema:
    """What the chart relies on: the ports that its services name, and the folder that its volume is mounted on."""
    # A database as soon as the program takes one: its own schema stands beside this one.
    state: Schema = {
        "if": {"type": "string"},
        "then": {"pattern": "^(file:///var/lib/lychgate|memory|postgres(ql)?://.+)$"},
    }
    listen: Schema = {
        "properties": {
            "public": {"type": "string", "pattern": "^(0\\.0\\.0\\.0|\\[::\\]):8080$"},
            "operations": {"type": "string", "pattern": "^(0\\.0\\.0\\.0|\\[::\\]):9090$"},
            "landing": {"type": "string", "pattern": "^(0\\.0\\.0\\.0|\\[::\\]):9091$"},
        }
    }
    return {"allOf": [config, {"properties": {"state": state, "listen": listen}}]}


def _scale() -> Schema:
    count: Schema = {"type": "integer", "minimum": 1}
    return {
        "replicaCount": count,
        "autoscaling": _keys(
            enabled=FLAG,
            minReplicas=count,
            maxReplicas=count,
            targetCPUUtilizationPercentage={"type": "integer", "minimum": 1, "maximum": 1000},
            metrics=OBJECTS,
            behavior=ANY,
        ),
        "podDisruptionBudget": _keys(
            enabled=FLAG, maxUnavailable={"anyOf": [count, {"type": "string", "pattern": "^[1-9][0-9]?%$"}]}
        ),
        "topologySpreadConstraints": OBJECTS,
    }


def _network() -> Schema:
    egress = _keys(
        enabled=FLAG, upstreamTo=OBJECTS, providerTo=OBJECTS, databaseTo=OBJECTS, dnsTo=OBJECTS, more=OBJECTS
    )
    monitor = _keys(enabled=FLAG, interval=TEXT, labels=LABELS, relabelings=OBJECTS, metricRelabelings=OBJECTS)
    return {
        "service": _keys(
            type={"enum": ["ClusterIP", "NodePort", "LoadBalancer"]},
            port=PORT,
            annotations=LABELS,
            nodePort={"anyOf": [PORT, {"type": "null"}]},
        ),
        "operations": _keys(port=PORT, annotations=LABELS),
        "landing": _keys(port=PORT, annotations=LABELS),
        "ingress": _keys(enabled=FLAG, className=TEXT, annotations=LABELS, hosts=HOSTS, tls=OBJECTS),
        "gatewayApi": _keys(enabled=FLAG, annotations=LABELS, parentRefs=OBJECTS, hostnames=HOSTS),
        "networkPolicy": _keys(
            **{"enabled": FLAG, "from": OBJECTS, "metricsFrom": OBJECTS, "landingFrom": OBJECTS, "egress": egress}
        ),
        "serviceMonitor": monitor,
        "podMonitor": monitor,
        "prometheusRule": _keys(
            enabled=FLAG, labels=LABELS, runbook={"type": "string", "pattern": "^(https?://[^#\\s]+)?$"}
        ),
        "dashboards": _keys(enabled=FLAG, labels=LABELS, annotations=LABELS),
    }


def _pod() -> Schema:
    lists = ("tolerations", "hostAliases", "extraEnv", "extraEnvFrom", "extraVolumes", "extraVolumeMounts",
             "extraContainers", "extraInitContainers", "extraObjects")  # fmt: skip
    return {
        "resources": ANY,
        "serviceAccount": _keys(create=FLAG, name=TEXT, annotations=LABELS),
        "podSecurityContext": ANY,
        "securityContext": ANY,
        "terminationGracePeriodSeconds": {"type": ["integer", "null"], "minimum": 1},
        "revisionHistoryLimit": {"type": "integer", "minimum": 0},
        "deploymentAnnotations": LABELS,
        "podAnnotations": LABELS,
        "podLabels": LABELS,
        "nodeSelector": LABELS,
        "affinity": ANY,
        "priorityClassName": TEXT,
        "runtimeClassName": TEXT,
        "dnsPolicy": {"enum": ["", "ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"]},
        "dnsConfig": ANY,
        "lifecycle": ANY,
        "extraArgs": {"type": "array", "items": TEXT},
        **dict.fromkeys(lists, OBJECTS),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(values_schema(), indent=2) + "\n")
