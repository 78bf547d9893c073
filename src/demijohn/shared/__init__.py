"""Small values that all copies of the site share, for a time: in memcached, in the database, or in this process."""
