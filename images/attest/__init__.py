"""What is attached to an image: bills of materials, licences, provenance."""
