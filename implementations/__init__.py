"""One file a paper; what all need stands in common."""
