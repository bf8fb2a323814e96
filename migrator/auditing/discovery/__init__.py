"""Which models there are: from the paths that were asked for to the files of models."""
