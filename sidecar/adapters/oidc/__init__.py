"""OpenID Connect towards the provider: discovery, keys, token checks of our own (D3), the OAuth client."""
