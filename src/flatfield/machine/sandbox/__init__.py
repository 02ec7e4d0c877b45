"""The sandbox that commands run in: finding one, proving it, its Python, its processes."""
