"""Search for the nearest vectors with FAISS, which the extra `library` installs."""
