"""HTTP out: the data plane to the application. Connections, framing, tunnels. Knows no aiohttp."""
