"""What Quarters' processes say to each other over HTTP, whoever opened the connection."""
