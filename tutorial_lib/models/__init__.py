"""Networks, and what the latent search sees of them."""
