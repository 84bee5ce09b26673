"""The introduction to a living site: commands and flows against a stand-in Jira that was filled by hand."""
