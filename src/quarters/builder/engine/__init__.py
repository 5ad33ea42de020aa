"""Docker and Podman, by the HTTP API that both speak (https://docs.docker.com/reference/api/engine/)."""
