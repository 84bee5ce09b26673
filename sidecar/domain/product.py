"""The shape of what we know of a product; the knowledge itself stands in `products`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sidecar.domain.paths import PathSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One of Atlassian's products, seen from a gate. All paths are below the context path.

    Attributes:
        name: `jira` or `confluence`.
        title: For pages.
        path_sets: Named path sets without "@": `admin`, `password_login`, `setup`, `tokens`, `machine`, `polling`,
            `customer`, `static`, `closed`, …
        presets: Named portal prefixes: `jsm`.
        preset_starts: The page where visitors of such a portal begin.
        machine_profiles: What `machine: [applinks, gadgets]` stands for: further machine paths.
        machine_public: The part of them that is open to everybody, without any identity, once its profile is declared.
        session_cookies: Kept in our custody, never seen by a browser (exact names, compared case-folded).
        remember_cookies: Never pass in either direction.
        login_paths: Where the product shows its own log-in page.
        logout_paths: Where the product ends its own session.
        login_page: The page that asks for a password.
        login_target: Query names that carry the page the person wanted.
        password_fields: Query and form names by which credentials enter.
        action_suffixes: Suffixes dispatched by the last segment wherever it stands (`.jspa`).
        action_home: Where actions are judged when they stand elsewhere (`/secure`).
        forwards: Prefix and marker of an internal forward: `/s/<any>/_/<rest>` is served as `/<rest>`.
        protected_groups: Administrators' groups, case-folded (D5).
        reserved_names: Account names that are never taken over by themselves (D4).
        start: The page to go to when nothing else is known.
        user_header: Answer header that names the person the product serves.
        status_page: Where the product tells, without a sign-in, whether it is starting.
        whoami: A page that tells whose session it is, and the member of its JSON that says so.
        websudo: A page for administrators, and what stands in the address to which it leads when it asks for the
            password again.
        forms: An action that is no log-in, and the one that is; both "" where every log-in page is its own.
        sso_start: Where its own OpenID client begins a sign-in at the provider that `iss` names.
        sso_callback: Where that client takes codes.
        crowd_authenticator: Its own class that asks a Crowd server who is there.
    """

    name: str
    title: str
    path_sets: Mapping[str, PathSet]
    presets: Mapping[str, tuple[str, ...]]
    preset_starts: Mapping[str, str]
    machine_profiles: Mapping[str, tuple[str, ...]]
    machine_public: PathSet
    session_cookies: frozenset[str]
    remember_cookies: frozenset[str]
    login_paths: PathSet
    logout_paths: PathSet
    login_page: str
    login_target: tuple[str, ...]
    password_fields: frozenset[str]
    action_suffixes: tuple[str, ...]
    action_home: str
    forwards: tuple[tuple[str, str], ...]
    protected_groups: frozenset[str]
    reserved_names: frozenset[str]
    start: str
    user_header: str
    status_page: str
    whoami: tuple[str, str]
    websudo: tuple[str, str]
    forms: tuple[str, str]
    sso_start: str
    sso_callback: str
    crowd_authenticator: str
