"""From a label map and a row of parameters to an image: the arithmetic, on any Keras backend."""
