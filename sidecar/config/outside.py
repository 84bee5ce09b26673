"""From settings to what the adapters are built of, secrets included. Called at the start and when secrets are renewed.

What is *kept* was read and judged when the configuration was loaded; without it secrets are read now.
"""

from __future__ import annotations

import ssl
import time

from sidecar.adapters.accounts.settings import CrowdSettings
from sidecar.adapters.audit.keys import CheckpointKey
from sidecar.adapters.landing.header import AssertionProof, HeaderLanding, SecretProof, imported_key, signing_keys
from sidecar.adapters.oidc.assertion import ClientKey, read_client_key
from sidecar.adapters.oidc.config import ClientAuthentication, ProviderConfig, Push, SignOutWay, UserInfo
from sidecar.adapters.oidc.presets import TOKEN_HINTS, graph_of
from sidecar.adapters.oidc.settings import ProviderSettings
from sidecar.adapters.seal import id_of
from sidecar.adapters.secrets import Secret, SecretError
from sidecar.adapters.state.settings import PostgresSettings
from sidecar.config.checks.rules import patterns_of
from sidecar.config.effective import landing_issuer
from sidecar.config.kept import NOTHING_KEPT, Kept
from sidecar.config.model import Config
from sidecar.config.model_upstream import UpstreamSettings
from sidecar.core.grants import Client
from sidecar.core.routing import OWN_PREFIX
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.paths import PathSet
from sidecar.domain.policy import Application, Policy
from sidecar.domain.product import Product
from sidecar.flows.streaming import Patience, Patiences
from sidecar.upstream.limits import Limits


def cookie_keys(config: Config, kept: Kept = NOTHING_KEPT, now: UnixSeconds | None = None) -> tuple[str, ...]:
    """The keys that sign and seal; the first signs *now*, which is this moment unless it is given.

    Raises:
        SecretError: one cannot be read, or all are taken back.
    """
    keys = kept.keys(config.cookie_keys, _moment(now))
    left = tuple(key for key in keys if id_of(key.encode()) not in kept.revoked) if kept.revoked else keys
    if not left:
        raise SecretError("every key of cookie_keys is taken back", "put a new one in front of cookie_keys")
    return left


def key_ids(config: Config, kept: Kept = NOTHING_KEPT, now: UnixSeconds | None = None) -> tuple[str, ...]:
    """What all cookie keys are called, those that are taken back too; the one that would sign *now* first.

    Raises:
        SecretError: one cannot be read.
    """
    return tuple(id_of(key.encode()) for key in kept.keys(config.cookie_keys, _moment(now)))


def audit_keys(config: Config, kept: Kept = NOTHING_KEPT, now: UnixSeconds | None = None) -> tuple[CheckpointKey, ...]:
    """The keys of the audit trail's checkpoints; the first signs.

    Raises:
        SecretError: one cannot be read.
    """
    if config.audit.key is None:
        return tuple(map(CheckpointKey.derived, cookie_keys(config, kept, now)))
    return tuple(map(CheckpointKey.imported, kept.keys((config.audit.key,), _moment(now), at_least=64)))


def _moment(now: UnixSeconds | None) -> UnixSeconds:
    return UnixSeconds(int(time.time())) if now is None else now


def provider_config(name: str, settings: ProviderSettings, policy: Policy, kept: Kept = NOTHING_KEPT) -> ProviderConfig:
    """What the relying party must know of one provider."""
    known = policy.providers[name]
    endpoints = settings.endpoints
    return ProviderConfig(
        name=name,
        issuer=settings.issuer,
        pattern=None if known.issuer == settings.issuer else known.issuer,
        # Google's older tokens leave the scheme out; no other provider may (idp facts, Google).
        issuers=("accounts.google.com",) if settings.preset == "google" else (),
        client_id=settings.client_id,
        client_secret=_optional(settings.client_secret, kept),
        client_key=_client_key(settings, kept),
        assertion_for_issuer=settings.assertion_audience == "issuer",
        authentication=ClientAuthentication(settings.client_authentication),
        encode_credentials=settings.encode_credentials,
        algorithms=settings.algorithms,
        push=Push(settings.par),
        form_post=settings.response_mode == "form_post",
        max_age=settings.max_age,
        authorize_params=_authorize_params(settings),
        scopes=settings.scopes,
        authorization_endpoint=endpoints.authorization,
        token_endpoint=endpoints.token,
        jwks_uri=endpoints.jwks,
        userinfo_endpoint=endpoints.userinfo,
        end_session_endpoint=endpoints.end_session,
        push_endpoint=endpoints.push,
        endpoint_hosts=frozenset(settings.endpoint_hosts or ()),
        skew=settings.clock_skew,
        groups=known.groups,
        claims=known.claims,
        subject_claim=known.subject_claim,
        needed=needed_claims_of(name, policy),
        userinfo=UserInfo(settings.userinfo),
        contexts=settings.step_up == "acrs",
        graph=graph_of(settings.issuer, endpoints.graph) if settings.overage == "graph" else None,
        graph_security=settings.overage_groups == "security",
        sign_out_way=SignOutWay.COGNITO if settings.preset == "cognito" else SignOutWay.OIDC,
        hint=TOKEN_HINTS.get(settings.preset, ""),
        prompt=settings.prompt,
        allow_http=settings.allow_http,
    )


def _client_key(settings: ProviderSettings, kept: Kept) -> ClientKey | None:
    pem = _optional(settings.client_key, kept)
    return None if pem is None else read_client_key(pem, settings.client_key_id, settings.client_key_thumbprint)


def _authorize_params(settings: ProviderSettings) -> tuple[tuple[str, str], ...]:
    lists = {"acr_values": settings.acr_values, "ui_locales": settings.ui_locales}
    return (*settings.authorize.items(), *((name, " ".join(values)) for name, values in lists.items() if values))


def header_landing(
    application: Application, config: Config, keys: tuple[str, ...], kept: Kept = NOTHING_KEPT
) -> HeaderLanding:
    """The landing of one application.

    Raises:
        SecretError: the proof's secret cannot be read.
    """
    header = config.applications[application.name].landing.header or ""
    return HeaderLanding(header, header_proof(application, config, keys, kept), application.product.user_header)


def header_proof(
    application: Application,
    config: Config,
    keys: tuple[str, ...],
    kept: Kept = NOTHING_KEPT,
    now: UnixSeconds | None = None,
) -> SecretProof | AssertionProof:
    """What goes with the username.

    Raises:
        SecretError: its secret cannot be read.
    """
    settings = config.applications[application.name].landing
    if settings.proof == "secret":
        secret = _optional(settings.secret, kept)
        if secret is None:
            raise SecretError("proof: secret has no secret", "add landing.secret")
        return SecretProof(header=settings.secret_header, secret=secret)
    base = application.origin + application.context
    own = () if config.assertion_key is None else kept.keys((config.assertion_key,), _moment(now), at_least=64)
    return AssertionProof(
        header=settings.assertion_header,
        issuer=f"{base}/.lychgate",
        audience=settings.audience or base,
        private=tuple(map(imported_key, own)) or signing_keys(keys, application.name),
        life=settings.assertion_life,
    )


def landing_client(application: Application, config: Config) -> Client:
    """The application as our relying party."""
    settings = config.applications[application.name].landing
    base = application.origin + application.context
    return Client(
        issuer=landing_issuer(config, application.name),
        client_id=settings.client_id,
        redirect_uri=base + application.product.sso_callback,
        authorize_at=f"{base}{OWN_PREFIX}/authorize" if settings.mode in {"browser", "auto"} else "",
    )


def landing_secret(application: Application, config: Config) -> str:
    """What the application shall redeem codes with.

    Raises:
        SecretError: it cannot be read.
    """
    return landing_secrets(application, config)[0]


def landing_secrets(
    application: Application, config: Config, kept: Kept = NOTHING_KEPT, now: UnixSeconds | None = None
) -> tuple[str, ...]:
    """The same, and behind it those that are still taken.

    Raises:
        SecretError: they cannot be read.
    """
    secret = config.applications[application.name].landing.client_secret
    if secret is None:
        raise SecretError("the landing has no secret", "add landing.client_secret")
    return kept.keys((secret,), _moment(now))


def landing_tls(config: Config) -> ssl.SSLContext | None:
    """How TLS is spoken at `listen.landing`, or None: it is not.

    Raises:
        OSError: a file has gone or changed since it was checked.
    """
    certificate, key = config.listen.landing_certificate, config.listen.landing_key
    if certificate is None or key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(certificate, key.place, password="")
    return context


def database_tls(settings: PostgresSettings) -> ssl.SSLContext | None:
    """How TLS is spoken with the database, or None: it is not.

    Raises:
        OSError: a file has gone or changed since it was checked.
    """
    return ssl.create_default_context(cafile=settings.ca) if settings.tls == "verify" else None


def upstream_tls(settings: UpstreamSettings) -> ssl.SSLContext | None:
    """How TLS is spoken with an application, or None: it is not.

    Raises:
        OSError: a file has gone or changed since it was checked.
    """
    if not settings.secure:
        return None
    # With a file of its own, nobody else may vouch.
    context = ssl.create_default_context(cafile=settings.ca)
    context.set_alpn_protocols(["http/1.1"])
    if settings.client_certificate is not None and settings.client_key is not None:
        # Without a password given, a key that wants one would ask for it at the terminal.
        context.load_cert_chain(settings.client_certificate, settings.client_key.place, password="")
    return context


def crowd_tls(settings: CrowdSettings) -> ssl.SSLContext | None:
    """How TLS is spoken with a user server, or None: as the machine does.

    Raises:
        OSError: the file has gone or changed since it was checked.
    """
    return ssl.create_default_context(cafile=settings.ca) if settings.ca is not None else None


def upstream_limits(settings: UpstreamSettings) -> Limits:
    """Times and bounds of the way to an application."""
    limits = settings.limits
    return Limits(
        connect=settings.connect,
        first_byte=settings.first_byte,
        idle_body=settings.idle_body,
        idle_connections=limits.idle_connections,
        idle_expiry=limits.idle,
        connection_age=limits.age,
        in_flight=limits.in_flight,
        anonymous=limits.anonymous or max(1, limits.in_flight * 3 // 4),
        queue=limits.queue,
        queue_wait=limits.queue_wait,
        tunnels=limits.tunnels,
    )


def patiences(settings: UpstreamSettings, product: Product) -> Patiences | None:
    """The times of single paths; None if there are none, so that nobody need ask."""
    if not settings.by_path:
        return None
    return Patiences(
        tuple(
            (
                PathSet(patterns_of(entry.paths, product)),
                Patience(entry.first_byte or settings.first_byte, entry.idle_body or settings.idle_body),
            )
            for entry in settings.by_path
        )
    )


def needed_claims_of(name: str, policy: Policy) -> frozenset[str]:
    """The claims without which userinfo is asked: usernames' first choice, rules, and groups where any are used."""
    needed: set[str] = set()
    provider = policy.providers[name]
    for application in policy.applications.values():
        if not any(name in portal.providers for portal in application.portals):
            continue
        for portal in application.portals:
            needed.update(portal.names_of(provider.name).claims[:1])
            if "display_name" in application.accounts.update or application.accounts.create:
                needed.update({"name", "email"})
            conditions = [portal.require, *(rule.condition for rule in portal.rules)]
            for condition in conditions:
                needed.update(condition.claims)
            if portal.groups.mapping or any(condition.asks_groups for condition in conditions):
                needed.add(provider.groups.path[0])
    return frozenset(needed)


def _optional(secret: Secret | None, kept: Kept) -> str | None:
    return None if secret is None else kept.read(secret)
