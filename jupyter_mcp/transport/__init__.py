"""HTTP below the tools: authentication, the ASGI endpoint, how a reply is sent."""
