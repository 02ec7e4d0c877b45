"""What others published, in one form: read, kept, looked up by model, and chosen from until somebody has own trials."""
