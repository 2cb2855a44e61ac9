"""Where packages come from: indexes, channels, mirrors."""
