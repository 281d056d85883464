"""The page of the command `label`: people label queries with the pictures of a folder. It needs no extra."""
