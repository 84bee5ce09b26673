"""Words: frozen dataclasses and enums. Standard library only; everybody may import from here."""
