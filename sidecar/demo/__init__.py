"""The demonstration: an embedded OpenID provider and a stand-in Jira. Absent from the production image."""
