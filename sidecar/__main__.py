"""`python -m sidecar`: the command, where no script of it is installed."""

from __future__ import annotations

from sidecar.cli import main

if __name__ == "__main__":
    main(prog_name="lychgate")
