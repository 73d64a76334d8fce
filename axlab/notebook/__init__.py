"""A lab in Jupyter: magics, completion, pictures and charts."""
