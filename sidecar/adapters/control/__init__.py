"""The control socket: where the gate listens for commands, and how a command speaks to it."""
