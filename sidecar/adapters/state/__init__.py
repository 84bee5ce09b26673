"""State that outlives a request: sessions, spent states, revocation markers, ledger. SQLite here; one contract suite for all."""
