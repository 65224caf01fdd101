"""The networks of SynthSeg 2.0 as its authors released them, and their import."""
