"""Operations on notebooks and cells, independent of MCP."""
