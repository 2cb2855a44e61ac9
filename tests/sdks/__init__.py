"""Real clients of MCP in other languages, from npm; the `sdks` session installs and runs them."""
