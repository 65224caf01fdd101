"""Where voxels lie: axes, voxel sizes, the part that goes to the network, and the way back."""
