"""The public benchmark: `make bench` measures the gate beside its peers and writes docs/benchmarks.md.

Nothing here is a test of the gate, and no test passes or fails by a time.
Start reading at `__main__.py`.
"""
