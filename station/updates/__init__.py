"""Looking for updates: a signed list that the seller publishes is asked for daily, and what fits is told to people."""
