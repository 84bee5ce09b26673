"""Sequences: asyncio around the core, each flow with the small protocols of the outside that it needs beside it."""
