"""The state of several instances: PostgreSQL 14 and newer, through asyncpg. Start reading at `store`.

The same stores as the embedded ones beside this folder, under the same contract suite; imported only where the
configuration names a database. What instances tell each other, and what they do one at a time, is `line` and `leases`.
"""
