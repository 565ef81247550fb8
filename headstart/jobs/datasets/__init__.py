"""What is done with datasets: register and refresh, rank features for them, audit them."""
