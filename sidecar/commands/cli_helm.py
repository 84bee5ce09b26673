"""The command `lychgate helm-values`: from a configuration to the values of Atlassian's own Helm charts."""

from __future__ import annotations

from pathlib import Path

import click
import yaml

from sidecar import __version__
from sidecar.commands.terminal import FILE, loaded_from, show
from sidecar.config.faults import Severity
from sidecar.config.pod import CHARTS, Pod, beside, findings, secret_names, values
from sidecar.config.source import read_source


@click.command("helm-values")
@click.option("-c", "--config", type=FILE, required=True, help="The configuration that shall hold in the pod.")
@click.option("--product", type=click.Choice(sorted(CHARTS)), required=True, help="Whose chart the values are for.")
@click.option("--image", default=f"lychgate:{__version__}", show_default=True, help="The image of the gate.")
@click.option("--config-map", default="lychgate-config", show_default=True, help="ConfigMap with the configuration.")
@click.option("--claim", default="lychgate-state", show_default=True, help="PersistentVolumeClaim of the state.")
@click.option("--initialise-ledger", is_flag=True, help="For the very first start only: the empty ledger is right.")
@click.option("--objects", is_flag=True, help="Print what must stand beside the chart instead: for kubectl apply.")
@click.option("--release", help="With --objects: the name of the chart's release.")
def helm_values(
    config: Path,
    product: str,
    image: str,
    config_map: str,
    claim: str,
    release: str | None,
    *,
    initialise_ledger: bool,
    objects: bool,
) -> None:
    """Print values for Atlassian's chart `jira` or `confluence` that put the gate into its pod, on the service's port.

    Exit 1 if the configuration is not one for a pod. Nothing secret is read or printed.
    """
    if objects != (release is not None):
        raise click.UsageError("write --release with --objects, and only with it")
    loaded = loaded_from(config, secrets=False)
    pod = Pod(product=product, image=image, config_map=config_map, claim=claim, initialise=initialise_ledger)
    source = read_source(config)
    faults = [
        source.fault(found.path, found.wrong, found.cure, found.severity) for found in findings(loaded.config, pod)
    ]
    show(sorted(faults))
    if any(fault.severity is Severity.ERROR for fault in faults):
        raise SystemExit(1)
    if release is not None:
        click.echo(_yaml_of(*beside(loaded.config, pod, release, config.read_text("utf-8"))), nl=False)
        return
    click.echo(f"# Made by `lychgate helm-values --product {product}`: helm upgrade … -f these.yaml")
    click.echo(f"# Secrets that must be there: {', '.join(secret_names(loaded.config)) or 'none'}")
    click.echo(_yaml_of(values(loaded.config, pod)), nl=False)


def _yaml_of(*documents: object) -> str:
    return yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, explicit_start=len(documents) > 1, width=120)


class _Dumper(yaml.SafeDumper):
    """Every list and text written out, each as often as it is needed."""

    def ignore_aliases(self, data: object) -> bool:
        """Kubernetes' own tools know anchors, and people do not like them."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
