"""Where recipes come from: kinds of sources behind one protocol, and the loop that follows them."""
