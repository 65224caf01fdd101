"""What is wrong with a set of label maps, told before a network is trained on them."""
