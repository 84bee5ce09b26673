"""Load a configuration file: all faults at once, with their place, or a policy. Start reading the package here.

YAML (`source`) → shape (`validate`) → what the parts cannot see alone (`checks`) → secrets → policy (`compile`).
Has no effect but reading the file and the secrets it names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path as FilePath

from sidecar.config.checks import between_entries, landings, loopback_issuers, upstreams, within_entries
from sidecar.config.checks import secrets as secrets_check
from sidecar.config.compile import compile_policy
from sidecar.config.faults import ConfigError, Fault, Finding, Path, Severity, spell_path
from sidecar.config.kept import NOTHING_KEPT, Kept
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
        kept: Its secrets, as they were when they were judged; those of a configuration that was loaded without them
            are read when they are asked for.
    """

    config: Config
    policy: Policy
    warnings: tuple[Fault, ...]
    kept: Kept = field(default=NOTHING_KEPT, repr=False, compare=False)


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
    kept = Kept.of(validated.config) if secrets and validated.config is not None else NOTHING_KEPT
    findings = _findings(validated, kept if secrets else None, serving=serving)
    faults = sorted({_placed(source, finding) for finding in findings})
    if validated.config is None or any(fault.severity is Severity.ERROR for fault in faults):
        raise ConfigError(faults)
    return Loaded(validated.config, compile_policy(validated.config, PRODUCTS), tuple(faults), kept)


def with_other_secrets(loaded: Loaded) -> Loaded:
    """*loaded* with its secrets as they are now.

    Raises:
        ConfigError: one of them, or of the files of TLS, is not well.
    """
    config, kept = loaded.config, Kept.of(loaded.config)
    faults = [
        Fault("", 0, spell_path(found.path), found.severity, found.wrong, found.cure)
        for found in _of_secrets(config, kept)
    ]
    if any(fault.severity is Severity.ERROR for fault in faults):
        raise ConfigError(faults)
    return replace(loaded, kept=kept)


def _of_secrets(config: Config, kept: Kept) -> Iterator[Finding]:
    yield from secrets_check.check(config, kept)
    yield from upstreams.files(config)
    yield from landings.files(config)


def _findings(validated: Validated, kept: Kept | None, *, serving: bool) -> Iterator[Finding]:
    """All findings, without those that may only come of what `validate` took out."""
    yield from validated.findings
    config = validated.config
    if config is None:
        return
    kinds = {path[:1] for path in validated.dirty}
    alone: list[Iterable[Finding]] = [within_entries(config, PRODUCTS)]
    if kept is not None:
        alone.append(_of_secrets(config, kept))
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
