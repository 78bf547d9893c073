"""What the site says of itself: a line for each event, in the dialect of its host."""
