"""Where files are kept. What a store promises stands in `base`."""
