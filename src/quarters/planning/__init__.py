"""What to build, in which order, on which builder and when again: pure decisions over plain values."""
