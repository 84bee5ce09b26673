"""YAML to settings to policy: all faults at once, each with its place and its cure."""
