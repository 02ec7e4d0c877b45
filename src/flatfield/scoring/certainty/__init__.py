"""One posterior: how sure every figure, every comparison and the answer is. `study` is the way in."""
