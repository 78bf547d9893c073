"""Unhandled errors: each has an id, and is kept where the disk is not."""
