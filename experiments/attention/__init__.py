"""The Longformer's attention alone: how fast against its own matrix products and its peers, and how far it reaches."""
