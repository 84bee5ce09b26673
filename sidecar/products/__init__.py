"""What we know of Jira and Confluence, as data: path sets, cookies, log-in and log-out paths, rewrites."""
