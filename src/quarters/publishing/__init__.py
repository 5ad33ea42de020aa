"""From verified artifacts to a signed index that is swapped whole: keys, snapshots, and what is served of them."""
