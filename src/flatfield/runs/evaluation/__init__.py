"""A whole evaluation: what it will take, its trials side by side, and more of them until its order is settled."""
