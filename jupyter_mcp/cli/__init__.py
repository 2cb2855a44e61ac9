"""The program `jupyter mcp`: find servers, connect clients, bridge to those that can only start programs."""
