"""The command `mri_synthseg`: as FreeSurfer's of that name, through a model server."""
