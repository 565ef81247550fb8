"""What is done with backbones: register, verify, carry elsewhere and back."""
