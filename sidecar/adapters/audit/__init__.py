"""The audit trail: chained records, signed checkpoints, sinks with a queue and a policy each; and how it is read."""
