"""A head with its backbone as one model: attached, fine-tuned, exported, described."""
