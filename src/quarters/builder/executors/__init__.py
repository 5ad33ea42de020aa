"""How a builder isolates a build: one module per executor behind one protocol."""
