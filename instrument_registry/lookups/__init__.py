"""From a symbol, a token or terms to an instrument: pure, over one publication."""
