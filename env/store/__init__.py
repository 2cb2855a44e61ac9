"""The content-addressed store: fetch into it, keep it whole, carry it elsewhere."""
