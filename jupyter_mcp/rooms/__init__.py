"""Live documents: joined, saved, merged, journalled and recovered."""
