"""Uploads, kept where the disk is not."""
