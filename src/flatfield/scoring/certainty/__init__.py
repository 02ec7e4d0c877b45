"""One posterior: how sure every figure, every comparison and the answer is. `door` is the way in."""
