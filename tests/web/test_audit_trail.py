"""The trail of a whole gate: secrets never come near it, one request is followed through it, accounts wait for it."""
