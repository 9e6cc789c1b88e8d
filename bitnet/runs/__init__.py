"""Runs on disk: their folders and checkpoints, plans and grids of runs, resuming."""
