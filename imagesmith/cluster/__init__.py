"""What makes N nodes one cluster: keys, certificates and tokens, made per cluster and node."""
