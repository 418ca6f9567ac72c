"""The upstreams of the full studies on the loopback interface: their files in small, served."""
