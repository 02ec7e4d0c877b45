"""Intervals and resampling: how sure a figure is."""
