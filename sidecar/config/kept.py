"""What the secrets and the files of TLS of a configuration held at one reading: all parts are built of the same.

Made by `config.load`. `building.reloading` makes another one every few seconds, to see whether anything changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path as FilePath

from pydantic import BaseModel

from sidecar.adapters.key_lists import read_keys, times_past
from sidecar.adapters.secrets import AtLeast, Secret, SecretError, read_secret, text_of
from sidecar.config.faults import Path, spell_path
from sidecar.config.model import Config
from sidecar.config.shape import key_of
from sidecar.domain.identity import UnixSeconds

_PLENTY = 16


class Kept:
    """Texts of secrets, in memory; they are in no `repr`.

    Attributes:
        revoked: The ids of cookie keys that are taken back, whatever the configuration says.
    """

    __slots__ = ("_files", "_texts", "revoked")

    def __init__(self, texts: dict[Secret, str | SecretError], files: dict[str, bytes]) -> None:
        """*files* are the marks of what the files of TLS hold, by their paths."""
        self._texts = texts
        self._files = files
        self.revoked: frozenset[str] = frozenset()

    @classmethod
    def of(cls, config: Config) -> Kept:
        """Read everything that *config* names, once. What cannot be read is told to whoever asks for it."""
        texts: dict[Secret, str | SecretError] = {}
        for _, secret, _ in secrets_in(config):
            if secret not in texts:
                try:
                    texts[secret] = text_of(secret)
                except SecretError as error:
                    texts[secret] = error
        return cls(texts, {file: _mark(file) for _, file in files_in(config)})

    def text_of(self, secret: Secret) -> str:
        """See `adapters.secrets.Texts`.

        Raises:
            SecretError: it could not be read.
        """
        found = self._texts.get(secret)
        if found is None:
            # Its place is not in the configuration, such as that of a command's own option.
            return text_of(secret)
        if isinstance(found, SecretError):
            raise SecretError(found.wrong, found.cure)
        return found

    def read(self, secret: Secret, *, at_least: int = 16) -> str:
        """The secret itself, as `read_secret` gives it.

        Raises:
            SecretError: it is unusable.
        """
        return read_secret(secret, at_least=at_least, texts=self.text_of)

    def keys(self, places: tuple[Secret, ...], now: UnixSeconds, *, at_least: int = 32) -> tuple[str, ...]:
        """A list of keys, the one that signs *now* first.

        Raises:
            SecretError: it is unusable.
        """
        return read_keys(places, now, at_least=at_least, texts=self.text_of)

    def mark(self, now: UnixSeconds) -> bytes:
        """The same as long as nothing changed; nor a moment came from which on another key signs."""
        digest = hashlib.sha256()
        for secret, found in sorted(self._texts.items(), key=lambda item: str(item[0])):
            text = f"cannot be read: {found.wrong}" if isinstance(found, SecretError) else found
            for part in (str(secret), text, str(times_past(text, now))):
                digest.update(hashlib.sha256(part.encode()).digest())
        for file, mark in sorted(self._files.items()):
            digest.update(hashlib.sha256(file.encode()).digest() + mark)
        return digest.digest()

    def changed(self, config: Config, before: Kept, config_before: Config) -> tuple[str, ...]:
        """The settings of *config* whose secret or file holds something else than *before*, as an operator says
        them."""
        now, then = self._held(config), before._held(config_before)
        return tuple(sorted(spell_path(path) for path, held in now.items() if held != then.get(path)))

    def _held(self, config: Config) -> dict[Path, str | bytes]:
        texts = {path: str(self._texts.get(secret, "")) for path, secret, _ in secrets_in(config)}
        return {**texts, **{path: self._files.get(file, b"") for path, file in files_in(config)}}


NOTHING_KEPT = Kept({}, {})
"""Every secret is read when it is asked for."""


def secrets_in(model: BaseModel, path: Path = ()) -> Iterator[tuple[Path, Secret, int]]:
    """All references below *model*, with their key path and their least length."""
    for name, field in type(model).model_fields.items():
        at_least = next((mark.characters for mark in field.metadata if isinstance(mark, AtLeast)), _PLENTY)
        yield from _walk(getattr(model, name), (*path, key_of(name, field)), at_least)


def files_in(config: Config) -> Iterator[tuple[Path, str]]:
    """The files of TLS that are no secrets, with their key path: certificates, and authorities."""
    named: list[tuple[Path, str | None]] = [
        (("listen", "landing_certificate"), config.listen.landing_certificate),
        (("postgresql", "ca"), config.postgresql.ca),
    ]
    for name, application in config.applications.items():
        at: Path = ("applications", name)
        accounts, way = application.accounts, application.upstream
        named += [((*at, "upstream", "ca"), way.ca)]
        named += [((*at, "upstream", "client_certificate"), way.client_certificate)]
        for key, server in (("crowd", accounts.crowd), ("switch", accounts.switch)):
            named += [((*at, "accounts", key, "ca"), server.ca if server is not None else None)]
    for path, file in named:
        if file is not None:
            yield path, file


def _walk(value: object, path: Path, at_least: int) -> Iterator[tuple[Path, Secret, int]]:
    if isinstance(value, Secret):
        yield path, value, at_least
    elif isinstance(value, BaseModel):
        yield from secrets_in(value, path)
    elif isinstance(value, tuple):
        for number, item in enumerate(value):
            yield from _walk(item, (*path, number), at_least)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _walk(item, (*path, str(key)), at_least)


def _mark(file: str) -> bytes:
    """What a file holds, in short. A path is followed anew at each look: in Kubernetes it is a link that is turned."""
    try:
        return hashlib.sha256(FilePath(file).read_bytes()).digest()
    except OSError as error:
        return f"cannot be read: {error.errno}".encode()
