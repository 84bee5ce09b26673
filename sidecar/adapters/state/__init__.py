"""State that outlives a request: sessions, spent states, markers, the ledger. SQLite; one contract suite for all."""
