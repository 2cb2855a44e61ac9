"""The MCP tools and resources, and what their replies look like."""
