"""The nouns of Quarters: frozen values, no behaviour that waits, reads a clock or opens a socket."""
