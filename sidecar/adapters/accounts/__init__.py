"""Connectors and hooks: they read and apply accounts; what to apply is planned in core."""
