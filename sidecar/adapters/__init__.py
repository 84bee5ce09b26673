"""The outside, one library each: OpenID providers, state, seals, metrics, audit, clock, accounts, landing."""
