"""From a checked configuration to the policy that decisions read. Nothing here can fail once the checks passed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from sidecar.adapters.accounts.settings import GroupSettings
from sidecar.adapters.oidc.presets import issuer_pattern
from sidecar.adapters.oidc.settings import ProviderSettings
from sidecar.adapters.urls import host_port, origin
from sidecar.config.checks.rules import patterns_of
from sidecar.config.effective import groups_at, is_for_customers, portals_of, prefixes_at, username_at
from sidecar.config.model import Config
from sidecar.config.model_application import ApplicationSettings, UsernameSettings
from sidecar.config.model_portal import ConditionSettings, PortalSettings, RuleSettings
from sidecar.domain.paths import NO_PATHS, PathSet
from sidecar.domain.policy import (
    AccountPolicy,
    Answer,
    ApiPolicy,
    Application,
    Condition,
    GroupMapping,
    GroupPolicy,
    JwtPolicy,
    Policy,
    Portal,
    ProviderPolicy,
    Rule,
    SessionLimits,
    UsernameMapping,
)
from sidecar.domain.product import Product
from sidecar.domain.shape import GroupReading

ALWAYS_STRIPPED = (
    "Remote-User", "X-Remote-User", "X-Remote-Groups", "X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Groups",
    "X-Forwarded-Preferred-Username", "X-Forwarded-Access-Token", "X-Auth-Request-User", "X-Auth-Request-Email",
    "X-Auth-Request-Groups", "X-Rp-Usr", "X-Lychgate-*",
)  # fmt: skip
"""Headers that some receiver somewhere believes (D8); removed whatever the configuration says."""


def compile_policy(config: Config, products: Mapping[str, Product]) -> Policy:
    """The policy of *config*, which must have passed all checks."""
    applications = {
        name: _application(name, config, products[settings.product]) for name, settings in config.applications.items()
    }
    limits = config.sessions
    policy = Policy(
        hash="",
        applications=applications,
        sites=_sites(applications),
        providers={name: _provider(name, settings) for name, settings in config.providers.items()},
        strip=_strip(config),
        limits=SessionLimits(
            idle=limits.idle,
            absolute=limits.absolute,
            recheck=limits.recheck,
            per_person=limits.per_person,
            most=limits.most,
        ),
        trusted_proxies=config.trusted_proxies,
    )
    return replace(policy, hash=content_hash(policy))


def content_hash(policy: Policy) -> str:
    """SHA-256 (hex) over all that the policy says, product knowledge included; the same in every process."""
    content = _plain(replace(policy, hash=""))
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def normalised(header: str) -> bytes:
    """A header name as it is compared: case folded, `_` like `-` (rule 10)."""
    return header.lower().replace("_", "-").encode()


def _application(name: str, config: Config, product: Product) -> Application:
    settings = config.applications[name]
    url = urlsplit(settings.url)
    sets = product.path_sets
    portals = tuple(
        _portal(portal_name, portal, config, product) for portal_name, portal in portals_of(config, name).items()
    )
    return Application(
        name=name,
        product=product,
        origin=origin(url),
        host=host_port(url),
        context=url.path,
        portals=portals,
        # Browsers take `__Host-` and Secure from loopback without TLS too, so a trial is no exception (rule 36).
        cookie=f"__Host-lychgate-{name}",
        accounts=_accounts(settings, product),
        api=_api(settings, product, config),
        semicolons=PathSet(settings.semicolons),
        encoded_slashes=PathSet(settings.encoded_slashes),
        static=sets.get("static", NO_PATHS),
        customer=sets.get("customer", NO_PATHS),
        closed=sets.get("closed", NO_PATHS),
    )


def _portal(name: str, portal: PortalSettings, config: Config, product: Product) -> Portal:
    application = config.applications[portal.application]
    return Portal(
        name=name,
        application=portal.application,
        default=portal.default,
        prefixes=prefixes_at(portal, product),
        providers=portal.provider,
        accepts=frozenset(portal.accepts),
        mode=portal.mode,
        require=_condition(portal.require),
        rules=tuple(_rule(name, number, rule, product) for number, rule in enumerate(portal.rules)),
        username=_username(username_at(portal, application)),
        groups=replace(
            _groups(groups_at(portal, application), product), licences=not is_for_customers(portal, product)
        ),
        start=_start(portal, product),
        usernames={provider: _username(username_at(portal, application, provider)) for provider in portal.usernames},
        domains=_domains(portal, config),
        max_body=portal.max_body,
        test_page=_test_page(name, portal),
    )


def _portal_groups(portal: PortalSettings, application: ApplicationSettings, product: Product) -> GroupPolicy:
    """A portal for customers gives no seats."""
    return replace(_groups(groups_at(portal, application), product), licences=not is_for_customers(portal, product))


def _domains(portal: PortalSettings, config: Config) -> dict[str, str]:
    if len(portal.provider) == 1:
        return {}
    return {domain: provider for provider in portal.provider for domain in config.providers[provider].domains}


def _start(portal: PortalSettings, product: Product) -> str:
    """The preset's start page, or the first of the portal's own prefixes."""
    first = next(iter(portal.paths or ()), "")
    return product.preset_starts.get(first[1:], "") if first.startswith("@") else first


def _rule(portal: str, number: int, rule: RuleSettings, product: Product) -> Rule:
    return Rule(
        id=f"{portal}/{number if rule.name is None else rule.name}",
        paths=PathSet(patterns_of(rule.paths, product)),
        answer=rule.answer,
        methods=None if rule.methods is None else frozenset(rule.methods),
        condition=_condition(rule.require),
        fresh=rule.fresh,
        acr=rule.acr or (),
    )


def _test_page(name: str, portal: PortalSettings) -> Rule | None:
    settings = portal.test_page
    if settings is None:
        return None
    condition = _condition(settings.require)
    return Rule(id=f"{name}/test-page", paths=NO_PATHS, answer=Answer.ALLOW, condition=condition, fresh=settings.fresh)


def _condition(demand: ConditionSettings | None) -> Condition:
    if demand is None:
        return Condition()
    return Condition(
        any_group=None if demand.any_group is None else frozenset(demand.any_group),
        all_groups=frozenset(demand.all_groups or ()),
        no_group=frozenset(demand.no_group or ()),
        claims={claim: frozenset(values) for claim, values in (demand.claims or {}).items()},
    )


def _username(settings: UsernameSettings) -> UsernameMapping:
    return UsernameMapping(
        claims=settings.claims,
        strip_domain=settings.strip_domain,
        prefix=settings.prefix,
        pattern=settings.pattern,
        apostrophe=settings.apostrophe,
    )


def _groups(settings: GroupSettings, product: Product) -> GroupPolicy:
    lines = [
        GroupMapping(
            source=line.exact or line.source or "",
            target=line.target,
            exact=line.exact is not None,
            line=f"map[{number}]",
        )
        for number, line in enumerate(settings.map)
    ]
    admin = [
        GroupMapping(source=line.source, target=line.target, exact=True, admin=True, line=f"admin[{number}]")
        for number, line in enumerate(settings.admin)
    ]
    return GroupPolicy(
        mapping=(*lines, *admin),
        table=settings.table,
        as_is=settings.as_is,
        always=settings.always,
        on_create=settings.on_create,
        if_empty=settings.if_empty,
        needed=frozenset(settings.needed),
        admin=frozenset(line.target for line in settings.admin),
        protected=product.protected_groups,
        remove=settings.remove,
        max_removals=settings.max_removals,
        create=settings.create,
    )


def _accounts(application: ApplicationSettings, product: Product) -> AccountPolicy:
    settings = application.accounts
    return AccountPolicy(
        enabled=settings.managed,
        adopt=settings.adopt,
        create=settings.create,
        reactivate=settings.reactivate,
        update=frozenset(settings.update),
        groups=_groups(settings.groups, product),
        reserved=product.reserved_names,
        removals_per_hour=settings.removals_per_hour,
        groups_stale_after=settings.groups_stale_after,
        gone_by=frozenset(settings.gone_by),
        deactivate=settings.on_revoke == "deactivate",
        deactivations_per_hour=settings.deactivations_per_hour,
        sync_wait=settings.sync_wait,
        serve_known=settings.serve_known,
    )


def _api(application: ApplicationSettings, product: Product, config: Config) -> ApiPolicy:
    patterns = list(product.path_sets.get("machine", NO_PATHS).patterns)
    for entry in application.machine:
        patterns.extend((entry,) if entry.startswith("/") else product.machine_profiles[entry])
    return ApiPolicy(
        passes=frozenset(credential for credential, answer in application.api if answer == "pass"),
        paths=PathSet(tuple(dict.fromkeys(patterns))),
        public=product.machine_public if "applinks" in application.machine else NO_PATHS,
        jwt=_jwt(application, config),
        owners=application.api.pat_owner == "resolve",
    )


def _jwt(application: ApplicationSettings, config: Config) -> JwtPolicy | None:
    settings = application.api.jwt
    if settings is None:
        return None
    return JwtPolicy(
        shapes={name: config.providers[name].preset for name in settings.providers},
        audiences=frozenset(settings.audience),
        provision=settings.provision,
        addresses=settings.addresses or (),
    )


def _provider(name: str, settings: ProviderSettings) -> ProviderPolicy:
    return ProviderPolicy(
        name=name,
        label=settings.label or name,
        issuer=issuer_pattern(settings.preset, settings.issuer),
        authoritative=settings.usernames == "authoritative",
        fence={claim: frozenset(values) for claim, values in settings.fence.items()},
        groups=GroupReading(
            path=settings.groups_claim,
            format=settings.group_format,
            single=settings.single_group,
            names=settings.group_names,
            cut_at=settings.groups_cut_at,
            prefix=settings.group_prefix,
        ),
        claims=settings.claims,
        subject_claim=settings.subject_claim,
        userinfo=settings.userinfo != "never",
        sign_out=settings.sign_out == "provider",
        form_post=settings.response_mode == "form_post",
        origins=_origins(settings),
    )


def _origins(settings: ProviderSettings) -> tuple[str, ...]:
    endpoints = settings.endpoints
    urls = [settings.issuer, *(f"https://{host}" for host in settings.endpoint_hosts or ())]
    urls.extend(url for url in (endpoints.authorization, endpoints.end_session) if url is not None)
    return tuple(dict.fromkeys(origin(urlsplit(url)) for url in urls))


def _sites(applications: Mapping[str, Application]) -> dict[str, tuple[Application, ...]]:
    hosts: dict[str, list[Application]] = {}
    for application in applications.values():
        hosts.setdefault(application.host, []).append(application)
    return {host: tuple(sorted(them, key=lambda it: len(it.context), reverse=True)) for host, them in hosts.items()}


def _strip(config: Config) -> frozenset[bytes]:
    names = set(ALWAYS_STRIPPED)
    for application in config.applications.values():
        landing = application.landing
        names.update((landing.secret_header, landing.assertion_header, *landing.strip))
        if landing.header is not None:
            names.add(landing.header)
    return frozenset(normalised(name) for name in names)


def _plain(value: Any) -> Any:
    """JSON's shape of a policy: sets sorted, path sets as their patterns, mappings as they are."""
    if isinstance(value, PathSet):
        return list(value.patterns)
    if is_dataclass(value):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, frozenset):
        return sorted((_plain(item) for item in value), key=json.dumps)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value.decode() if isinstance(value, bytes) else value
