"""Load a configuration file: all faults at once, with their place, or a policy. Start reading the package here.

YAML (`source`) → shape (`validate`) → what the parts cannot see alone (`checks`) → secrets → policy (`compile`).
Has no effect but reading the file and the secrets it names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path as FilePath

from sidecar.config.checks import between_entries, landings, loopback_issuers, upstreams, within_entries
from sidecar.config.checks import secrets as secrets_check
from sidecar.config.compile import compile_policy
from sidecar.config.faults import ConfigError, Fault, Finding, Path, Severity
from sidecar.config.model import Config
from sidecar.config.source import Source, read_source
from sidecar.config.validate import Validated, entry_of, section_of, validate
from sidecar.domain.policy import Policy
from sidecar.products import PRODUCTS


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration without errors.

    Attributes:
        config: For building the outside; not kept after that.
        policy: For decisions.
        warnings: By line.
    """

    config: Config
    policy: Policy
    warnings: tuple[Fault, ...]


def load(path: FilePath | str, *, secrets: bool = True, serving: bool = False) -> Loaded:
    """Read and check a configuration file.

    Args:
        path: The file.
        secrets: Whether the secrets and the files of TLS are read and judged as well; not wanted where they are absent
            (a build server).
        serving: Whether what only `serve` refuses is refused: an issuer on loopback beside anything that is not.

    Raises:
        ConfigError: with all faults.
    """
    source = read_source(FilePath(path))
    validated = validate(source.data)
    findings = _findings(validated, secrets=secrets, serving=serving)
    faults = sorted({_placed(source, finding) for finding in findings})
    if validated.config is None or any(fault.severity is Severity.ERROR for fault in faults):
        raise ConfigError(faults)
    return Loaded(validated.config, compile_policy(validated.config, PRODUCTS), tuple(faults))


def _findings(validated: Validated, *, secrets: bool, serving: bool) -> Iterator[Finding]:
    """All findings, without those that may only come of what `validate` took out."""
    yield from validated.findings
    config = validated.config
    if config is None:
        return
    kinds = {path[:1] for path in validated.dirty}
    alone: list[Iterable[Finding]] = [within_entries(config, PRODUCTS)]
    if secrets:
        alone.extend((secrets_check.check(config), upstreams.files(config), landings.files(config)))
    together = [between_entries(config, PRODUCTS)]
    if serving:
        together.append(loopback_issuers(config))
    for finding in chain.from_iterable(alone):
        if section_of(finding.path) not in validated.sections and entry_of(finding.path) not in validated.sections:
            yield finding
    untrusted = validated.dirty | kinds | _around(validated.dirty, config)
    for finding in chain.from_iterable(together):
        if entry_of(finding.path) not in untrusted:
            yield finding


def _around(dirty: frozenset[Path], config: Config) -> set[Path]:
    """Entries that speak of a faulty one, or are spoken of by it."""
    around: set[Path] = set()
    gone = {path for path in dirty if len(path) == 2 and path[1] not in getattr(config, str(path[0]))}
    if any(path[0] == "portals" for path in gone):
        # Nobody knows any more of whom that portal spoke.
        return {(kind, name) for kind in ("providers", "applications", "portals") for name in getattr(config, kind)}
    for name, portal in config.portals.items():
        ring = {("portals", name), ("applications", portal.application)} | {("providers", p) for p in portal.provider}
        if ring & dirty:
            around |= ring
    return around


def _placed(source: Source, finding: Finding) -> Fault:
    return source.fault(finding.path, finding.wrong, finding.cure, finding.severity)
