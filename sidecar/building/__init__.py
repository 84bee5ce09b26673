"""The parts of a running gate, each built from the configuration. `sidecar.app` puts them together."""
