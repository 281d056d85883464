"""The page. It needs the extra `ui`, and the extra `mcp` to offer its functions to MCP clients."""
