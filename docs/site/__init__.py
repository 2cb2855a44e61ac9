"""The documentation's site: staged from docs/ and the pages beside it, built by Sphinx, its links checked."""
