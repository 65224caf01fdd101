"""What the generative model can be told: the settings, their files and the recipes."""
