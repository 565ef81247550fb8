"""What is done with datasets: register, refresh and split, rank features for them, audit them."""
