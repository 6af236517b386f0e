"""A trained model to give away: weights, the networks as plain PyTorch, configuration and card, in one folder."""
