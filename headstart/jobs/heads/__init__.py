"""What is done with heads: train, choose, fine-tune, predict, attach."""
