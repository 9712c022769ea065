"""Keep up with publications while a program runs: registries, and what is subscribed."""
