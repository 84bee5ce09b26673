"""What a provider's sign-out endpoint is told. `provider` puts it into the address."""

from __future__ import annotations

from sidecar.adapters.oidc.config import ProviderConfig, SignOutWay


def sign_out_parameters(config: ProviderConfig, id_token: str | None, back_to: str, state: str) -> dict[str, str]:
    """The parameters of a sign-out (OIDC RP-Initiated Logout 1.0, section 2), or of Cognito's own way, which knows
    neither hint nor state."""
    if config.sign_out_way is SignOutWay.COGNITO:
        return {"client_id": config.client_id, "logout_uri": back_to}
    hint = {} if id_token is None else {"id_token_hint": id_token}
    return {**hint, "client_id": config.client_id, "post_logout_redirect_uri": back_to, "state": state}
