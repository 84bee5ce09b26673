"""The commands that do their work and end: what they ask at the terminal, and what they do for it."""
