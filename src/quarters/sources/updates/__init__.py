"""The upstreams that recipes of a tree come from: one module for each kind, and the runs that follow them."""
