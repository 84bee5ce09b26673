"""HTTP in: the only users of aiohttp.web. Thin: one table from decision or error to response."""
