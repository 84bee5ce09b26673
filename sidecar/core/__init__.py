"""Decisions: pure functions over words. No IO, no clock, no chance. Start reading at core/decide.py."""
