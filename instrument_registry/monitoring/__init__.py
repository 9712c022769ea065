"""What lookups cost and how many there are, of this process and of others."""
