"""Clean systems that a builder prepares for itself, and makes anew when they have aged."""
