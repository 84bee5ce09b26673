"""What `lychgate doctor` makes of what it saw: pure judgement, one module per kind of thing."""
